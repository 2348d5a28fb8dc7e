// SPDX-License-Identifier: Apache-2.0
// Records of runs, baselines, and what has changed since.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fstests/baseline.hpp"
#include "fstests/junit.hpp"
#include "fstests/records.hpp"

using namespace slipway;
using namespace slipway::fstests;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

namespace {

fstests::Test test(const std::string& name, std::vector<TestStatus> statuses,
                   const std::string& reason = "") {
    fstests::Test test{.name = name};
    for (auto status : statuses)
        test.attempts.push_back({.status = status, .seconds = 2, .reason = reason});
    return test;
}

using S = TestStatus;

Run run(std::vector<fstests::Test> tests) {
    return {.id = "r1",
            .started = "2026-01-31T12:00:00Z",
            .kernel_release = "6.1.0",
            .fstype = "ext4",
            .selection = "-g quick",
            .tests = std::move(tests)};
}

TEST(Records, TheWorstAttemptCounts) {
    auto flaky = test("generic/001", {S::Passed, S::Crashed, S::Failed});
    EXPECT_EQ(flaky.worst().status, S::Crashed);
    EXPECT_TRUE(flaky.is_flaky());
    EXPECT_FALSE(test("generic/001", {S::Failed, S::TimedOut}).is_flaky());
    EXPECT_FALSE(test("generic/001", {S::Passed, S::NotRun}).is_flaky());
    auto sum = run({flaky, test("generic/002", {S::Passed}), test("generic/003", {S::TimedOut})})
                   .summary();
    EXPECT_EQ(sum.passed, 1U);
    EXPECT_EQ(sum.crashed, 1U);
    EXPECT_EQ(sum.timed_out, 1U);
    EXPECT_EQ(sum.flaky, 1U);
}

TEST(Records, SurviveJson) {
    auto before =
        run({test("generic/001", {S::Passed}), test("generic/002", {S::Passed, S::Failed}, "x")});
    before.tests[0].section = "small";
    before.tests[1].attempts[1].complaints = {{"panic", "Kernel panic", "f", true}};
    before.needs = {{"program", "fio", "fio", "add it", {"generic/003"}}};
    before.machines = {{1, "small", "exited", 2, 1.5, 30}};
    before.error = Error{.code = Code::ToolFailed, .what = "no machine"};
    auto json = to_json(before);
    auto after = run_from_json(json);
    ASSERT_TRUE(after.has_value());
    EXPECT_EQ(to_json(*after), json);
    EXPECT_EQ(after->tests[0].id(), "small:generic/001");
    EXPECT_TRUE(after->tests[1].is_flaky());
    EXPECT_TRUE(after->tests[1].attempts[1].complaints.at(0).fatal);
}

TEST(Records, RefuseOtherJson) {
    for (const auto* text : {"{}", "[]", "3", R"({"schema":"slipway.report.v1"})",
                             R"({"schema":"slipway.fstests.v1","tests":3})"}) {
        auto read = run_from_json(*parse_json(text, "test"));
        EXPECT_THAT(read ? read->tests : std::vector<fstests::Test>{}, IsEmpty()) << text;
    }
}

// Which would compare as one of another file system.
TEST(Records, RefuseOnesWithoutFields) {
    auto read = run_from_json(*parse_json(R"({"schema":"slipway.fstests.v1"})", "test"));
    ASSERT_FALSE(read.has_value());
    EXPECT_EQ(read.error().code, Code::Corrupt);
    auto baseline =
        baseline_from_json(*parse_json(R"({"schema":"slipway.fstests-baseline.v1"})", "test"));
    ASSERT_FALSE(baseline.has_value());
    EXPECT_EQ(baseline.error().code, Code::Corrupt);
}

TEST(Records, AreXmlWhateverTheirTextsHold) {
    EXPECT_EQ(escape_markup("<a \xEF\xBF\xBE\xEF\xBF\xBF\xEF\xBF\xBD \x80\x01>"),
              "&lt;a \uFFFD\uFFFD\uFFFD \uFFFD?&gt;");
}

TEST(Records, ReadWellInText) {
    auto text = render_text(run({test("generic/001", {S::Passed}),
                                 test("generic/002", {S::Failed, S::Passed}, "output mismatch")}));
    EXPECT_THAT(
        text, HasSubstr("generic/002      failed  2 s   output mismatch   (passed 1 of 2 times)"));
    EXPECT_THAT(text, HasSubstr("1 passed, 1 failed, 0 not run, 1 flaky"));
}

std::vector<std::string> names(const std::vector<Change>& changes) {
    std::vector<std::string> names;
    for (const auto& change : changes)
        names.push_back(change.test + " " + change.before + "->" + change.now);
    return names;
}

TEST(Baseline, Trap14_TellsWhatHasChanged) {
    auto before = run({test("generic/001", {S::Passed}), test("generic/002", {S::Passed}),
                       test("generic/003", {S::Failed}), test("generic/004", {S::Passed}),
                       test("generic/005", {S::Passed}), test("generic/006", {S::Failed}),
                       test("generic/007", {S::Passed, S::Failed}),
                       test("generic/008", {S::NotRun}), test("generic/011", {S::Failed})});
    auto after = run({test("generic/001", {S::Crashed}, "panic"), test("generic/002", {S::Passed}),
                      test("generic/003", {S::Passed}), test("generic/004", {S::NotRun}),
                      test("generic/006", {S::TimedOut}), test("generic/007", {S::Passed}),
                      test("generic/008", {S::Failed}), test("generic/009", {S::Failed}),
                      test("generic/010", {S::Passed}), test("generic/011", {S::Failed})});
    auto comparison = compare(make_baseline(before, "b", "now"), after);
    EXPECT_THAT(names(comparison.regressions),
                ElementsAre("generic/001 passed->crashed", "generic/006 failed->timed out",
                            "generic/008 not run->failed", "generic/009 ->failed"));
    EXPECT_THAT(names(comparison.fixes), ElementsAre("generic/003 failed->passed"));
    EXPECT_THAT(names(comparison.new_skips), ElementsAre("generic/004 passed->not run"));
    EXPECT_THAT(names(comparison.removed), ElementsAre("generic/005 passed->"));
    EXPECT_THAT(names(comparison.flaky), ElementsAre("generic/007 flaky->passed"));
    EXPECT_THAT(names(comparison.new_tests),
                ElementsAre("generic/009 ->failed", "generic/010 ->passed"));
    EXPECT_EQ(comparison.unchanged, 2U);
    EXPECT_EQ(comparison.still_bad, 1U);
    EXPECT_THAT(render_text(comparison), HasSubstr("4 regressions"));
}

TEST(Baseline, CallsNothingAsBeforeThatIsNot) {
    auto before = run({test("generic/001", {S::Passed, S::Failed}),
                       test("generic/002", {S::NotRun}), test("generic/003", {S::Crashed}),
                       test("generic/004", {S::TimedOut}), test("generic/005", {S::Failed})});
    auto after = run({test("generic/001", {S::Failed}), test("generic/002", {S::Passed}),
                      test("generic/003", {S::Failed}), test("generic/004", {S::Failed}),
                      test("generic/005", {S::Failed})});
    auto comparison = compare(make_baseline(before, "b", "now"), after);
    EXPECT_THAT(names(comparison.flaky), ElementsAre("generic/001 flaky->failed"));
    EXPECT_THAT(names(comparison.others),
                ElementsAre("generic/002 not run->passed", "generic/003 crashed->failed",
                            "generic/004 timed out->failed"));
    EXPECT_THAT(comparison.regressions, IsEmpty());
    EXPECT_EQ(comparison.unchanged, 1U);
    EXPECT_THAT(render_text(comparison), HasSubstr("other changes (3)"));
}

TEST(Baseline, Trap14_TakesNothingForGoneThatWasNotSelected) {
    auto part = run({test("generic/001", {S::Passed})});
    part.selection = "generic/001";
    auto comparison = compare(
        make_baseline(run({test("generic/001", {S::Passed}), test("generic/002", {S::Passed})}),
                      "b", ""),
        part);
    EXPECT_THAT(comparison.removed, IsEmpty());
    EXPECT_EQ(comparison.not_selected, 1U);
}

TEST(Baseline, SurvivesJson) {
    auto baseline = make_baseline(run({test("generic/001", {S::Passed, S::Failed}, "x"),
                                       test("generic/002", {S::NotReached})}),
                                  "nightly", "2026-01-31T12:00:00Z");
    EXPECT_THAT(baseline.tests, SizeIs(1));
    auto again = baseline_from_json(to_json(baseline));
    ASSERT_TRUE(again.has_value());
    EXPECT_EQ(to_json(*again), to_json(baseline));
    EXPECT_TRUE(again->tests.at("generic/001").flaky);
    EXPECT_FALSE(baseline_from_json(*parse_json(R"({"schema":"x"})", "test")).has_value());
}

} // namespace
