// SPDX-License-Identifier: Apache-2.0
// What check prints, from recordings in tests/fixtures/fstests.
#include <fstream>
#include <iterator>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fstests/check_output.hpp"
#include "fstests/check_time.hpp"
#include "fstests/evidence.hpp"
#include "fstests/xunit.hpp"

using namespace slipway::fstests;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;

namespace {

std::string fixture(const std::string& name) {
    std::ifstream file(SLIPWAY_SOURCE_DIR "/tests/fixtures/fstests/" + name, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
}

CheckOutput read(std::string_view text, std::size_t piece = std::string::npos) {
    CheckOutput output;
    for (std::size_t at = 0; at < text.size(); at += std::min(piece, text.size()))
        output.feed(text.substr(at, piece));
    output.finish();
    return output;
}

std::vector<std::string> summary(const CheckOutput& output) {
    std::vector<std::string> lines;
    for (const auto& verdict : output.verdicts())
        lines.push_back((verdict.section.empty() ? "" : verdict.section + ":") + verdict.name +
                        " " + std::string(name_of(verdict.status)));
    return lines;
}

const Verdict& verdict_on(const CheckOutput& output, const std::string& name) {
    for (const auto& verdict : output.verdicts())
        if (verdict.name == name)
            return verdict;
    static const Verdict none;
    ADD_FAILURE() << "no verdict on " << name;
    return none;
}

TEST(CheckOutput, Trap13_TellsEveryVerdictOfAFirstRun) {
    auto output = read(fixture("first.out"));
    EXPECT_THAT(summary(output),
                ElementsAre("generic/001 passed", "generic/002 passed", "generic/903 failed",
                            "generic/904 failed", "generic/905 not run", "generic/906 not run",
                            "generic/909 passed", "generic/910 failed", "generic/911 expunged"));
    EXPECT_EQ(verdict_on(output, "generic/001").seconds, 10);
    EXPECT_EQ(verdict_on(output, "generic/001").last_seconds, std::nullopt);
    EXPECT_EQ(verdict_on(output, "generic/904").message, "[failed, exit status 3]");
    EXPECT_EQ(verdict_on(output, "generic/905").message, "fio utility required, skipped this test");
    EXPECT_THAT(verdict_on(output, "generic/910").message, HasSubstr("_check_dmesg: something"));
    EXPECT_TRUE(output.is_complete());
    EXPECT_FALSE(output.was_interrupted());
    EXPECT_EQ(output.running(), "");
    EXPECT_EQ(output.heading("FSTYP"), "ext4");
}

TEST(CheckOutput, Trap13_TellsTheLastTimeInASecondRun) {
    auto output = read(fixture("second.out"));
    EXPECT_EQ(verdict_on(output, "generic/001").last_seconds, 10);
    EXPECT_EQ(verdict_on(output, "generic/001").seconds, 3);
    EXPECT_EQ(verdict_on(output, "generic/909").last_seconds, 1);
    EXPECT_EQ(verdict_on(output, "generic/909").status, TestStatus::Failed);
    EXPECT_THAT(verdict_on(output, "generic/909").message, HasSubstr("- output mismatch (see"));
}

TEST(CheckOutput, Trap13_KeepsSectionsApart) {
    auto output = read(fixture("sections.out"));
    EXPECT_THAT(summary(output),
                ElementsAre("plain:generic/002 passed", "plain:generic/905 not run",
                            "small_blocks:generic/002 passed", "small_blocks:generic/905 not run"));
    EXPECT_EQ(output.begun(), 4U);
}

TEST(CheckOutput, IsTheSameInPiecesOfAnySize) {
    auto text = fixture("first.out");
    auto whole = read(text);
    for (std::size_t piece : {1U, 2U, 3U, 7U, 64U}) {
        auto pieces = read(text, piece);
        EXPECT_EQ(summary(pieces), summary(whole)) << piece;
        EXPECT_EQ(pieces.begun(), whole.begun()) << piece;
        EXPECT_EQ(verdict_on(pieces, "generic/903").detail,
                  verdict_on(whole, "generic/903").detail);
    }
}

TEST(CheckOutput, Trap13_KnowsWhatRunsBeforeItsLineEnds) {
    CheckOutput output;
    output.feed("FSTYP         -- ext4\n\ngeneric/00");
    EXPECT_EQ(output.running(), "");
    output.feed("1       ");
    EXPECT_EQ(output.running(), "generic/001");
    output.feed(" 5s\ngeneric/002  3s ... ");
    EXPECT_EQ(output.running(), "generic/002");
    EXPECT_THAT(output.verdicts(), SizeIs(1));
    // A machine that ends here leaves no verdict.
    output.finish();
    EXPECT_EQ(output.running(), "generic/002");
    EXPECT_THAT(output.verdicts(), SizeIs(1));
    EXPECT_FALSE(output.is_complete());
}

TEST(CheckOutput, TakesAFailedTestForRunningUntilAnotherFollows) {
    CheckOutput output;
    output.feed("generic/003       - output mismatch (see /r/generic/003.out.bad)\n    --- a\n");
    EXPECT_EQ(output.running(), "generic/003");
    output.feed("generic/004       ");
    EXPECT_EQ(output.running(), "generic/004");
    ASSERT_THAT(output.verdicts(), SizeIs(1));
    EXPECT_THAT(output.verdicts()[0].detail, ElementsAre("    --- a"));
}

TEST(CheckOutput, NoticesAnInterruption) {
    auto output = read("generic/001        2s\ngeneric/002       Ran: generic/001 generic/002\n"
                       "Interrupted!\nPassed all 2 tests\n");
    EXPECT_THAT(summary(output), ElementsAre("generic/001 passed"));
    EXPECT_TRUE(output.was_interrupted());
}

TEST(CheckOutput, KeepsWhatItSaysBeforeTheFirstTest) {
    auto output = read("mount: /mnt/test: unknown filesystem type 'btrfs'.\n"
                       "common/rc: could not mount /dev/vda on /mnt/test\n");
    EXPECT_THAT(output.verdicts(), IsEmpty());
    EXPECT_THAT(output.other(), SizeIs(2));
}

TEST(Xunit, HasTheCasesOfARun) {
    auto cases = parse_xunit(fixture("first.xml"));
    ASSERT_TRUE(cases.has_value());
    ASSERT_THAT(*cases, SizeIs(8));
    EXPECT_EQ(cases->at(0).name, "generic/001");
    EXPECT_EQ(cases->at(0).section, "");
    EXPECT_EQ(cases->at(0).seconds, 10);
    EXPECT_EQ(cases->at(2).status, TestStatus::Failed);
    EXPECT_THAT(cases->at(2).diff, HasSubstr("\n+a < b & c"));
    EXPECT_THAT(cases->at(2).output, HasSubstr("in the log of the test"));
    EXPECT_EQ(cases->at(4).status, TestStatus::NotRun);
    EXPECT_EQ(cases->at(4).message, "fio utility required, skipped this test");
    EXPECT_THAT(cases->at(7).kernel_log, HasSubstr("WARNING: CPU: 0"));
}

TEST(Xunit, HasTheWholeCasesOfAFileThatIsCutOff) {
    auto text = fixture("first.xml");
    for (std::size_t end = 0; end < text.size(); ++end) {
        auto cases = parse_xunit(text.substr(0, end));
        if (cases && !cases->empty()) {
            EXPECT_EQ(cases->at(0).name, "generic/001");
        }
    }
    EXPECT_THAT(*parse_xunit(text.substr(0, text.find("generic/904"))), SizeIs(3));
}

TEST(Xunit, ReadsMessagesThatAreNotEscaped) {
    auto cases = parse_xunit("<testsuite name=\"xfstests\">\n"
                             "<testcase classname=\"xfstests.a\" name=\"xfs/001\" time=\"1\">\n"
                             "<failure message=\"he said \"no\" & <left>\" type=\"TestFail\" />\n"
                             "</testcase>\n</testsuite>\n");
    ASSERT_TRUE(cases.has_value());
    ASSERT_THAT(*cases, SizeIs(1));
    EXPECT_EQ(cases->at(0).section, "a");
    EXPECT_EQ(cases->at(0).message, "he said \"no\" & <left>");
}

TEST(Xunit, RefusesOtherFiles) {
    EXPECT_FALSE(parse_xunit("").has_value());
    EXPECT_FALSE(parse_xunit("hello <b>you</b>").has_value());
}

TEST(Evidence, JoinsOutputAndReport) {
    auto output = read(fixture("first.out"));
    auto cases = *parse_xunit(fixture("first.xml"));
    auto attempt = [&](const std::string& name) {
        for (const auto& reported : cases)
            if (reported.name == name)
                return attempt_of(verdict_on(output, name), &reported);
        return attempt_of(verdict_on(output, name), nullptr);
    };
    EXPECT_EQ(attempt("generic/001").status, TestStatus::Passed);
    EXPECT_EQ(attempt("generic/001").reason, "");
    EXPECT_EQ(attempt("generic/903").reason, "output mismatch");
    EXPECT_THAT(attempt("generic/903").diff, HasSubstr("+a line that is not expected"));
    EXPECT_EQ(attempt("generic/903").seconds, 6);
    EXPECT_EQ(attempt("generic/904").reason, "failed, exit status 3");
    EXPECT_EQ(attempt("generic/905").reason, "fio utility required, skipped this test");
    EXPECT_EQ(attempt("generic/910").reason, "_check_dmesg: something found in dmesg");
    EXPECT_EQ(attempt("generic/911").status, TestStatus::Expunged);
}

TEST(Evidence, DoesWithTheExcerptThatCheckPrints) {
    auto output = read(fixture("first.out"));
    auto attempt = attempt_of(verdict_on(output, "generic/903"), nullptr);
    EXPECT_THAT(attempt.diff, HasSubstr("--- tests/generic/903.out"));
    EXPECT_THAT(attempt.diff, HasSubstr("\n+a line that is not expected"));
    EXPECT_THAT(attempt.diff, Not(HasSubstr("to see the entire diff")));
}

TEST(Evidence, Trap13_TellsExitStatusAndMismatchOfOneTest) {
    auto output =
        read("generic/001       [failed, exit status 1]- output mismatch (see /r/x.out.bad)\n"
             "    --- a\n    +++ b\nPassed all 1 tests\n");
    EXPECT_EQ(attempt_of(output.verdicts().at(0), nullptr).reason,
              "failed, exit status 1; output mismatch");
}

TEST(CheckTime, ReadsAndSplitsByDuration) {
    auto durations = parse_check_time(fixture("check.time") + "nonsense\ngeneric/003 x\n");
    EXPECT_THAT(durations,
                ElementsAre(std::pair("generic/001", 10.0), std::pair("generic/002", 6.0),
                            std::pair("generic/909", 1.0)));
    auto parts = split_by_duration({"generic/001", "generic/002", "generic/003", "generic/909"},
                                   durations, 2);
    // 001 lasts 10 s, 002 and 003 (as long as the middle one) 6 s each.
    EXPECT_THAT(parts, ElementsAre(ElementsAre("generic/001", "generic/909"),
                                   ElementsAre("generic/002", "generic/003")));
}

TEST(CheckTime, SplitsEvenlyWhereNothingIsKnown) {
    std::vector<std::string> tests;
    for (int i = 100; i < 110; ++i)
        tests.push_back("generic/" + std::to_string(i));
    for (const auto& part : split_by_duration(tests, {}, 3))
        EXPECT_GE(part.size(), 3U);
    EXPECT_THAT(split_by_duration({"generic/001"}, {}, 4), SizeIs(1));
    EXPECT_THAT(split_by_duration({}, {}, 4), ElementsAre(IsEmpty()));
}

} // namespace
