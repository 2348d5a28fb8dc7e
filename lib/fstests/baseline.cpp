// SPDX-License-Identifier: Apache-2.0
#include "fstests/baseline.hpp"

#include <fmt/format.h>

#include "base/strings.hpp"

namespace slipway::fstests {
namespace {

constexpr auto schema = "slipway.fstests-baseline.v1";

std::string label_of(const BaselineTest& test) {
    return test.flaky ? "flaky" : std::string(name_of(test.status));
}

bool is_skipped(TestStatus status) {
    return status == TestStatus::NotRun || status == TestStatus::Expunged;
}

bool ends_the_machine(TestStatus status) {
    return status == TestStatus::Crashed || status == TestStatus::TimedOut;
}

void judge(Comparison& comparison, const BaselineTest* before, const BaselineTest& now,
           const std::string& test) {
    Change change{.test = test,
                  .before = before != nullptr ? label_of(*before) : "",
                  .now = label_of(now),
                  .reason = now.reason};
    if (before == nullptr)
        comparison.new_tests.push_back(change);
    if (ends_the_machine(now.status) && (before == nullptr || before->status != now.status)) {
        comparison.regressions.push_back(change); // also of what failed, or was flaky
        return;
    }
    if (now.flaky || (before != nullptr && before->flaky)) {
        comparison.flaky.push_back(change);
        return;
    }
    if (before == nullptr) {
        if (is_bad(now.status))
            comparison.regressions.push_back(change);
        return;
    }
    if (is_bad(now.status) && !is_bad(before->status))
        comparison.regressions.push_back(change);
    else if (now.status == TestStatus::Passed && is_bad(before->status))
        comparison.fixes.push_back(change);
    else if (is_skipped(now.status) && !is_skipped(before->status))
        comparison.new_skips.push_back(change);
    else if (now.status != before->status)
        comparison.others.push_back(change);
    else {
        ++comparison.unchanged;
        comparison.still_bad += is_bad(now.status) ? 1 : 0;
    }
}

Json to_json(const std::vector<Change>& changes) {
    auto json = Json::array();
    for (const auto& change : changes) {
        json.push_back({{"test", change.test}, {"before", change.before}, {"now", change.now}});
        if (!change.reason.empty())
            json.back()["reason"] = change.reason;
    }
    return json;
}

void render(std::string& text, std::string_view title, const std::vector<Change>& changes) {
    if (changes.empty())
        return;
    text += fmt::format("{} ({}):\n", title, changes.size());
    for (const auto& change : changes)
        text += fmt::format("  {:<16} {} -> {}{}\n", change.test,
                            change.before.empty() ? "absent" : change.before,
                            change.now.empty() ? "absent" : change.now,
                            change.reason.empty() ? "" : "   " + change.reason);
}

} // namespace

std::map<std::string, std::size_t> count_statuses(const Baseline& baseline) {
    std::map<std::string, std::size_t> numbers;
    for (const auto& [test, kept] : baseline.tests)
        ++numbers[std::string(name_of(kept.status))];
    return numbers;
}

std::string render_line(const Baseline& baseline) {
    std::string statuses;
    for (const auto& [name, number] : count_statuses(baseline))
        statuses += fmt::format(", {} {}", number, name);
    return printable(fmt::format("{}: {} tests{}; {} on {}, {}", baseline.name,
                                 baseline.tests.size(), statuses, baseline.fstype,
                                 baseline.kernel_release, baseline.saved)) +
           "\n";
}

Baseline make_baseline(const Run& run, std::string name, std::string saved) {
    Baseline baseline{.name = std::move(name),
                      .saved = std::move(saved),
                      .run = run.id,
                      .kernel_release = run.kernel_release,
                      .fstype = run.fstype,
                      .selection = run.selection};
    for (const auto& test : run.tests) {
        const auto& worst = test.worst();
        if (worst.status != TestStatus::NotReached)
            baseline.tests[test.id()] = {.status = worst.status,
                                         .flaky = test.is_flaky(),
                                         .seconds = worst.seconds,
                                         .reason = worst.reason};
    }
    return baseline;
}

Comparison compare(const Baseline& baseline, const Run& run) {
    auto now = make_baseline(run, "", "");
    Comparison comparison{.baseline = baseline.name, .run = run.id};
    for (const auto& [test, result] : now.tests) {
        auto before = baseline.tests.find(test);
        judge(comparison, before == baseline.tests.end() ? nullptr : &before->second, result, test);
    }
    for (const auto& [test, before] : baseline.tests) {
        if (now.tests.contains(test))
            continue;
        if (baseline.selection == run.selection)
            comparison.removed.push_back({.test = test, .before = label_of(before), .now = ""});
        else
            ++comparison.not_selected;
    }
    return comparison;
}

Json to_json(const Baseline& baseline) {
    Json tests = Json::object();
    for (const auto& [name, test] : baseline.tests) {
        Json json{{"status", name_of(test.status)}};
        if (test.seconds)
            json["seconds"] = *test.seconds;
        if (test.flaky)
            json["flaky"] = true;
        if (!test.reason.empty())
            json["reason"] = test.reason;
        tests[name] = std::move(json);
    }
    return {{"schema", schema},
            {"name", baseline.name},
            {"saved", baseline.saved},
            {"run", baseline.run},
            {"kernel_release", baseline.kernel_release},
            {"fstype", baseline.fstype},
            {"selection", baseline.selection},
            {"tests", std::move(tests)}};
}

Result<Baseline> baseline_from_json(const Json& json) {
    if (json_get<std::string>(json, "schema") != schema)
        return fail(Code::Corrupt, fmt::format("this is no baseline ({})", schema));
    Baseline baseline{.name = json_get<std::string>(json, "name"),
                      .saved = json_get<std::string>(json, "saved"),
                      .run = json_get<std::string>(json, "run"),
                      .kernel_release = json_get<std::string>(json, "kernel_release"),
                      .fstype = json_get<std::string>(json, "fstype"),
                      .selection = json_get<std::string>(json, "selection")};
    if (baseline.fstype.empty())
        return fail(Code::Corrupt, "the baseline does not say its file system");
    for (const auto& [name, test] : json_at(json, "tests").items()) {
        auto status = status_named(json_get<std::string>(test, "status"));
        if (!status)
            return fail(Code::Corrupt, fmt::format("the baseline has no status of {}", name));
        BaselineTest kept{.status = *status,
                          .flaky = json_get<bool>(test, "flaky"),
                          .reason = json_get<std::string>(test, "reason")};
        if (json_at(test, "seconds").is_number())
            kept.seconds = json_get<double>(test, "seconds");
        baseline.tests[name] = std::move(kept);
    }
    return baseline;
}

Json to_json(const Comparison& comparison) {
    return {{"schema", "slipway.fstests-comparison.v1"},
            {"baseline", comparison.baseline},
            {"run", comparison.run},
            {"regressions", to_json(comparison.regressions)},
            {"fixes", to_json(comparison.fixes)},
            {"new_skips", to_json(comparison.new_skips)},
            {"new_tests", to_json(comparison.new_tests)},
            {"removed", to_json(comparison.removed)},
            {"flaky", to_json(comparison.flaky)},
            {"others", to_json(comparison.others)},
            {"not_selected", comparison.not_selected},
            {"unchanged", comparison.unchanged},
            {"still_bad", comparison.still_bad}};
}

std::string render_text(const Comparison& comparison) {
    auto text = fmt::format("run {} against baseline {}\n", comparison.run, comparison.baseline);
    render(text, "regressions", comparison.regressions);
    render(text, "fixed", comparison.fixes);
    render(text, "not run any more", comparison.new_skips);
    render(text, "new tests", comparison.new_tests);
    render(text, "gone", comparison.removed);
    render(text, "flaky", comparison.flaky);
    render(text, "other changes", comparison.others);
    text += fmt::format("{} as before", comparison.unchanged);
    if (comparison.still_bad > 0)
        text += fmt::format(", {} of them still wrong", comparison.still_bad);
    if (comparison.not_selected > 0)
        text += fmt::format("; {} of the baseline were not selected", comparison.not_selected);
    return text + "\n" +
           (comparison.regressions.empty()
                ? "no regressions\n"
                : fmt::format("{} regressions\n", comparison.regressions.size()));
}

} // namespace slipway::fstests
