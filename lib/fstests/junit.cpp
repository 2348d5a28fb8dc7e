// SPDX-License-Identifier: Apache-2.0
#include "fstests/junit.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "base/strings.hpp"

namespace slipway::fstests {
namespace {

double seconds_of(const Test& test) {
    double seconds = 0;
    for (const auto& attempt : test.attempts)
        seconds += attempt.seconds.value_or(0);
    return seconds;
}

std::string render_case(const Run& run, const Test& test) {
    const auto& worst = test.worst();
    auto head =
        fmt::format("    <testcase classname=\"{}{}{}\" name=\"{}\" time=\"{:.3f}\"",
                    escape_markup(run.fstype), test.section.empty() ? "" : ".",
                    escape_markup(test.section), escape_markup(test.name), seconds_of(test));
    if (worst.status == TestStatus::Passed)
        return head + "/>\n";
    auto reason = escape_markup(worst.reason);
    auto status = name_of(worst.status);
    if (!is_bad(worst.status))
        return fmt::format("{}><skipped message=\"{}{}{}\"/></testcase>\n", head, status,
                           reason.empty() ? "" : ": ", reason);
    // A crash is not the test's own finding.
    auto element = worst.status == TestStatus::Failed ? "failure" : "error";
    auto text = fmt::format("{}>\n      <{} type=\"{}\" message=\"{}\">{}</{}>\n", head, element,
                            status, reason, escape_markup(worst.diff), element);
    if (!worst.console.empty())
        text += fmt::format("      <system-err>{}</system-err>\n", escape_markup(worst.console));
    return text + "    </testcase>\n";
}

std::string render_suite(const Run& run, const std::string& section) {
    std::string cases;
    std::size_t tests = 0, failures = 0, errors = 0, skipped = 0;
    double seconds = 0;
    for (const auto& test : run.tests) {
        if (test.section != section)
            continue;
        auto status = test.worst().status;
        ++tests;
        failures += status == TestStatus::Failed ? 1 : 0;
        errors += is_bad(status) && status != TestStatus::Failed ? 1 : 0;
        skipped += !is_bad(status) && status != TestStatus::Passed ? 1 : 0;
        seconds += seconds_of(test);
        cases += render_case(run, test);
    }
    return fmt::format("  <testsuite name=\"fstests{}{}\" tests=\"{}\" failures=\"{}\" "
                       "errors=\"{}\" skipped=\"{}\" time=\"{:.3f}\" timestamp=\"{}\">\n{}"
                       "  </testsuite>\n",
                       section.empty() ? "" : ".", escape_markup(section), tests, failures, errors,
                       skipped, seconds, escape_markup(run.started), cases);
}

} // namespace

std::string escape_markup(std::string_view given) {
    // JSON's writer knows what is no UTF-8, and leaves U+FFFD there.
    auto json = parse_json(render_json(Json(std::string(given))), "text");
    auto text = json ? json->get<std::string>() : std::string();
    for (std::string_view none : {"\xEF\xBF\xBE", "\xEF\xBF\xBF"}) // U+FFFE and U+FFFF
        text = replace_all(text, none, "\xEF\xBF\xBD");
    std::string escaped;
    for (auto line : split(text, '\n')) {
        if (line.data() != text.data())
            escaped += '\n';
        for (char c : printable(line))
            switch (c) {
            case '&':
                escaped += "&amp;";
                break;
            case '<':
                escaped += "&lt;";
                break;
            case '>':
                escaped += "&gt;";
                break;
            case '"':
                escaped += "&quot;";
                break;
            default:
                escaped += c;
            }
    }
    return escaped;
}

std::string render_junit(const Run& run) {
    std::vector<std::string> sections;
    for (const auto& test : run.tests)
        if (std::find(sections.begin(), sections.end(), test.section) == sections.end())
            sections.push_back(test.section);
    std::string text = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n";
    for (const auto& section : sections)
        text += render_suite(run, section);
    return text + "</testsuites>\n";
}

} // namespace slipway::fstests
