// SPDX-License-Identifier: Apache-2.0
// A run for people at a terminal.
#include <algorithm>

#include <fmt/format.h>

#include "base/strings.hpp"
#include "base/units.hpp"
#include "fstests/needs.hpp"
#include "fstests/records.hpp"

namespace slipway::fstests {
namespace {

constexpr std::size_t most_diff_lines = 12;
constexpr std::size_t most_console_lines = 8;

void add_lines(std::string& text, std::string_view block, std::size_t from, std::size_t most) {
    auto lines = split_lines(block);
    for (std::size_t i = from; i < lines.size() && i - from < most; ++i)
        text += fmt::format("      {}\n", printable(lines[i]));
    if (lines.size() > from + most)
        text += "      ...\n";
}

std::string details_of(const Test& test) {
    const auto& worst = test.worst();
    std::string text;
    for (const auto& complaint : worst.complaints)
        text += fmt::format("      kernel: {}: {}{}\n", complaint.kind, printable(complaint.title),
                            complaint.function.empty() ? "" : " in " + complaint.function);
    add_lines(text, worst.diff, 0, most_diff_lines);
    if (!worst.console.empty() && worst.complaints.empty()) {
        auto lines = split_lines(worst.console).size();
        add_lines(text, worst.console, lines - std::min(lines, most_console_lines),
                  most_console_lines);
    }
    return text;
}

std::string flakiness_of(const Test& test) {
    if (test.attempts.size() < 2)
        return "";
    auto passed =
        std::count_if(test.attempts.begin(), test.attempts.end(),
                      [](const auto& attempt) { return attempt.status == TestStatus::Passed; });
    return fmt::format("   (passed {} of {} times)", passed, test.attempts.size());
}

std::string needs_text(const std::vector<Need>& needs) {
    std::string text;
    for (const auto& need : needs)
        text +=
            fmt::format("  {} {}: {} {}; {}\n", need.kind, printable(need.name), need.tests.size(),
                        need.tests.size() == 1 ? "test" : "tests", need.remedy);
    auto packages = packages_of(needs);
    if (!packages.empty())
        text += fmt::format("  `--install-missing` adds to the root: {}\n", join(packages, " "));
    return text.empty() ? "" : "missing for tests that were not run:\n" + text;
}

} // namespace

std::string render_text(const Test& test) {
    const auto& worst = test.worst();
    auto line = fmt::format("{:<16} {}", test.id(), name_of(worst.status));
    if (worst.seconds && worst.status != TestStatus::NotRun)
        line += fmt::format("  {:.0f} s", *worst.seconds);
    if (!worst.reason.empty())
        line += "   " + printable(worst.reason);
    return line + flakiness_of(test);
}

std::string render_text(const Run& run) {
    std::string text;
    for (const auto& test : run.tests)
        if (is_bad(test.worst().status))
            text += render_text(test) + "\n" + details_of(test);
    text += needs_text(run.needs);
    for (const auto& note : run.notes)
        text += fmt::format("note: {}\n", note);
    auto sum = run.summary();
    text += fmt::format("{} {} on {}: {} passed, {} failed, {} not run", run.fstype,
                        run.kernel_release, run.machine, sum.passed, sum.failed, sum.not_run);
    for (const auto& [count, name] : {std::pair(sum.crashed, "crashed"),
                                      {sum.timed_out, "timed out"},
                                      {sum.expunged, "expunged"},
                                      {sum.flaky, "flaky"},
                                      {sum.not_reached, "not reached"}})
        if (count > 0)
            text += fmt::format(", {} {}", count, name);
    text += fmt::format(" in {}, {} {}\n", format_seconds(run.seconds), run.machines.size(),
                        run.machines.size() == 1 ? "machine" : "machines");
    return text + fmt::format("all files of the run: {}\n", run.directory);
}

} // namespace slipway::fstests
