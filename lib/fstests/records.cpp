// SPDX-License-Identifier: Apache-2.0
#include "fstests/records.hpp"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "base/strings.hpp"

namespace slipway::fstests {
namespace {

constexpr std::array<std::string_view, 7> status_names{
    "passed", "expunged", "not run", "not reached", "failed", "timed out", "crashed"};
constexpr auto schema = "slipway.fstests.v1";

// Only an array has elements: a number would give itself.
const Json& list_at(const Json& object, std::string_view key) {
    static const Json none = Json::array();
    const auto& found = json_at(object, key);
    return found.is_array() ? found : none;
}

Json to_json(const KernelComplaint& complaint) {
    return {{"kind", complaint.kind},
            {"title", complaint.title},
            {"function", complaint.function},
            {"fatal", complaint.fatal}};
}

KernelComplaint complaint_from_json(const Json& json) {
    return {.kind = json_get<std::string>(json, "kind"),
            .title = json_get<std::string>(json, "title"),
            .function = json_get<std::string>(json, "function"),
            .fatal = json_get<bool>(json, "fatal")};
}

// What is empty is left out: most tests pass, and then have a status and a time alone.
Json to_json(const Attempt& attempt) {
    Json json{{"status", name_of(attempt.status)}};
    if (attempt.seconds)
        json["seconds"] = *attempt.seconds;
    for (const auto& [key, text] : {std::pair("reason", &attempt.reason),
                                    {"diff", &attempt.diff},
                                    {"console", &attempt.console},
                                    {"full", &attempt.full}})
        if (!text->empty())
            json[key] = *text;
    for (const auto& complaint : attempt.complaints)
        json["complaints"].push_back(to_json(complaint));
    return json;
}

Attempt attempt_from_json(const Json& json) {
    Attempt attempt{
        .status =
            status_named(json_get<std::string>(json, "status")).value_or(TestStatus::NotReached),
        .reason = json_get<std::string>(json, "reason"),
        .diff = json_get<std::string>(json, "diff"),
        .console = json_get<std::string>(json, "console"),
        .full = json_get<std::string>(json, "full")};
    if (json_at(json, "seconds").is_number())
        attempt.seconds = json_get<double>(json, "seconds");
    for (const auto& complaint : list_at(json, "complaints"))
        attempt.complaints.push_back(complaint_from_json(complaint));
    return attempt;
}

Json to_json(const Machine& machine) {
    return {{"shard", machine.shard},
            {"section", machine.section},
            {"end", machine.end},
            {"tests", machine.tests},
            {"seconds_to_check", machine.seconds_to_check},
            {"seconds", machine.seconds}};
}

Machine machine_from_json(const Json& json) {
    return {.shard = json_get<unsigned>(json, "shard"),
            .section = json_get<std::string>(json, "section"),
            .end = json_get<std::string>(json, "end"),
            .tests = json_get<std::size_t>(json, "tests"),
            .seconds_to_check = json_get<double>(json, "seconds_to_check"),
            .seconds = json_get<double>(json, "seconds")};
}

Need need_from_json(const Json& json) {
    return {.kind = json_get<std::string>(json, "kind"),
            .name = json_get<std::string>(json, "name"),
            .package = json_get<std::string>(json, "package"),
            .remedy = json_get<std::string>(json, "remedy"),
            .tests = json_get<std::vector<std::string>>(json, "tests")};
}

Test test_from_json(const Json& json) {
    Test test{.section = json_get<std::string>(json, "section"),
              .name = json_get<std::string>(json, "name")};
    for (const auto& attempt : list_at(json, "attempts"))
        test.attempts.push_back(attempt_from_json(attempt));
    if (test.attempts.empty())
        test.attempts.push_back(attempt_from_json(json));
    return test;
}

} // namespace

std::string_view name_of(TestStatus status) {
    return status_names.at(static_cast<std::size_t>(status));
}

std::optional<TestStatus> status_named(std::string_view name) {
    for (std::size_t i = 0; i < status_names.size(); ++i)
        if (status_names.at(i) == name)
            return static_cast<TestStatus>(i);
    return std::nullopt;
}

bool is_bad(TestStatus status) {
    return status >= TestStatus::Failed;
}

const Attempt& Test::worst() const {
    static const Attempt none;
    auto found = std::max_element(attempts.begin(), attempts.end(),
                                  [](const auto& a, const auto& b) { return a.status < b.status; });
    return found == attempts.end() ? none : *found;
}

bool Test::is_flaky() const {
    auto passed = [](const Attempt& attempt) { return attempt.status == TestStatus::Passed; };
    return is_bad(worst().status) && std::any_of(attempts.begin(), attempts.end(), passed);
}

std::string Test::id() const {
    return section.empty() ? name : fmt::format("{}:{}", section, name);
}

Summary Run::summary() const {
    Summary summary;
    const std::array counters{&summary.passed,      &summary.expunged, &summary.not_run,
                              &summary.not_reached, &summary.failed,   &summary.timed_out,
                              &summary.crashed};
    for (const auto& test : tests) {
        ++*counters.at(static_cast<std::size_t>(test.worst().status));
        summary.flaky += test.is_flaky() ? 1 : 0;
    }
    return summary;
}

Json to_json(const Summary& summary) {
    return {{"passed", summary.passed},   {"failed", summary.failed},
            {"crashed", summary.crashed}, {"timed_out", summary.timed_out},
            {"not_run", summary.not_run}, {"expunged", summary.expunged},
            {"flaky", summary.flaky},     {"not_reached", summary.not_reached}};
}

Json to_json(const Need& need) {
    return {{"kind", need.kind},
            {"name", need.name},
            {"package", need.package},
            {"remedy", need.remedy},
            {"tests", need.tests}};
}

Json to_json(const Test& test) {
    Json json{{"name", test.name}};
    if (!test.section.empty())
        json["section"] = test.section;
    json.update(to_json(test.worst()));
    if (test.attempts.size() > 1) {
        json["flaky"] = test.is_flaky();
        for (const auto& attempt : test.attempts)
            json["attempts"].push_back(to_json(attempt));
    }
    return json;
}

Json to_json(const Run& run) {
    Json json{{"schema", schema},
              {"run",
               {{"id", run.id},
                {"started", run.started},
                {"seconds", run.seconds},
                {"kernel", run.kernel},
                {"kernel_release", run.kernel_release},
                {"machine", run.machine},
                {"root", run.root},
                {"fstests", run.fstests},
                {"fstype", run.fstype},
                {"selection", run.selection},
                {"directory", run.directory}}},
              {"summary", to_json(run.summary())},
              {"tests", Json::array()},
              {"needs", Json::array()},
              {"machines", Json::array()},
              {"notes", run.notes},
              {"error", run.error ? error_to_json(*run.error) : Json()}};
    for (const auto& test : run.tests)
        json["tests"].push_back(to_json(test));
    for (const auto& need : run.needs)
        json["needs"].push_back(to_json(need));
    for (const auto& machine : run.machines)
        json["machines"].push_back(to_json(machine));
    return json;
}

Result<Run> run_from_json(const Json& json) {
    if (json_get<std::string>(json, "schema") != schema)
        return fail(Code::Corrupt, fmt::format("this is no record of a run ({})", schema));
    const auto& about = json_at(json, "run");
    Run run{.id = json_get<std::string>(about, "id"),
            .started = json_get<std::string>(about, "started"),
            .seconds = json_get<double>(about, "seconds"),
            .kernel = json_get<std::string>(about, "kernel"),
            .kernel_release = json_get<std::string>(about, "kernel_release"),
            .machine = json_get<std::string>(about, "machine"),
            .root = json_get<std::string>(about, "root"),
            .fstests = json_get<std::string>(about, "fstests"),
            .fstype = json_get<std::string>(about, "fstype"),
            .selection = json_get<std::string>(about, "selection"),
            .directory = json_get<std::string>(about, "directory")};
    if (run.id.empty() || run.fstype.empty())
        return fail(Code::Corrupt, "the record of a run lacks its id or its file system");
    for (const auto& test : list_at(json, "tests"))
        run.tests.push_back(test_from_json(test));
    for (const auto& need : list_at(json, "needs"))
        run.needs.push_back(need_from_json(need));
    for (const auto& machine : list_at(json, "machines"))
        run.machines.push_back(machine_from_json(machine));
    run.notes = json_get<std::vector<std::string>>(json, "notes");
    if (json_at(json, "error").is_object())
        run.error = error_from_json(json_at(json, "error"));
    return run;
}

} // namespace slipway::fstests
