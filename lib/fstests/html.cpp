// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "base/strings.hpp"
#include "base/units.hpp"
#include "fstests/junit.hpp"

namespace slipway::fstests {
namespace {

constexpr std::size_t most_bars = 40;

// The colours are a scheme of the system's own choice, light or dark; statuses have a word and a
// mark beside their colour.
constexpr std::string_view style = R"(
:root { color-scheme: light dark; --line: #8884; --bad: #c62828; --good: #2e7d32; --skip: #757575; --bar: #1565c0; }
@media (prefers-color-scheme: dark) { :root { --bad: #ff8a80; --good: #81c784; --skip: #bdbdbd; --bar: #64b5f6; } }
body { font: 15px/1.45 system-ui, sans-serif; margin: 2rem auto; max-width: 72rem; padding: 0 1rem; }
h1 { font-size: 1.4rem; } h2 { font-size: 1.1rem; margin-top: 2rem; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; vertical-align: top; padding: .3rem .6rem; border-bottom: 1px solid var(--line); }
td.n, th.n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
td.s { white-space: nowrap; font-weight: 600; }
.bad .s { color: var(--bad); } .passed .s { color: var(--good); } .skip .s { color: var(--skip); }
pre { overflow-x: auto; max-height: 30rem; font-size: 12px; border: 1px solid var(--line); padding: .5rem; }
.counts span { display: inline-block; margin-right: 1.2rem; } .counts b { font-size: 1.3rem; }
input, select { font: inherit; padding: .2rem .4rem; margin-right: .6rem; }
svg text { font: 12px system-ui, sans-serif; fill: currentColor; } svg rect { fill: var(--bar); }
.facts td:first-child { width: 10rem; color: var(--skip); }
)";

// Without it the page is whole, but for the filter.
constexpr std::string_view filter_script = R"(
const word = document.getElementById("word"), kind = document.getElementById("kind");
function filter() {
  for (const row of document.querySelectorAll("#tests tbody tr")) {
    const fits = row.textContent.toLowerCase().includes(word.value.toLowerCase());
    row.hidden = !(fits && (kind.value === "" || row.dataset.status === kind.value || row.className === kind.value));
  }
}
word.addEventListener("input", filter); kind.addEventListener("input", filter);
document.getElementById("filter").hidden = false;
)";

std::string_view class_of(TestStatus status) {
    return is_bad(status) ? "bad" : status == TestStatus::Passed ? "passed" : "skip";
}

std::string_view mark_of(TestStatus status) {
    return is_bad(status) ? "✗" : status == TestStatus::Passed ? "✓" : "–";
}

std::string folded(std::string_view title, std::string_view text) {
    if (text.empty())
        return "";
    return fmt::format("<details><summary>{}</summary><pre>{}</pre></details>", title,
                       escape_markup(text));
}

std::string render_row(const Test& test) {
    const auto& worst = test.worst();
    auto about = escape_markup(worst.reason);
    for (const auto& complaint : worst.complaints)
        about += fmt::format("<br>kernel: {}: {}", escape_markup(complaint.kind),
                             escape_markup(complaint.title));
    if (test.attempts.size() > 1) {
        about += about.empty() ? "" : "<br>";
        about += test.is_flaky() ? "flaky:" : "attempts:";
        for (const auto& attempt : test.attempts)
            about += fmt::format(" {}", name_of(attempt.status));
    }
    about += folded("difference", worst.diff) + folded("console", worst.console);
    if (!worst.full.empty())
        about += fmt::format("<br>log: <code>{}</code>", escape_markup(worst.full));
    return fmt::format("<tr class=\"{}\" data-status=\"{}\"><td>{}</td><td class=\"s\">{} {}</td>"
                       "<td class=\"n\">{}</td><td>{}</td></tr>\n",
                       class_of(worst.status), name_of(worst.status), escape_markup(test.id()),
                       mark_of(worst.status), name_of(worst.status),
                       worst.seconds ? fmt::format("{:.0f} s", *worst.seconds) : "", about);
}

// The longest tests, as horizontal bars.
std::string render_chart(const Run& run) {
    std::vector<const Test*> tests;
    for (const auto& test : run.tests)
        if (test.worst().seconds.value_or(0) > 0)
            tests.push_back(&test);
    if (tests.empty())
        return "";
    auto seconds = [](const Test* test) { return *test->worst().seconds; };
    std::stable_sort(tests.begin(), tests.end(),
                     [&](auto* a, auto* b) { return seconds(a) > seconds(b); });
    auto all = tests.size();
    tests.resize(std::min(all, most_bars));
    constexpr int row = 20, left = 190, width = 760;
    std::string bars;
    for (std::size_t i = 0; i < tests.size(); ++i) {
        auto y = static_cast<int>(i) * row;
        auto length = std::max(1.0, seconds(tests[i]) / seconds(tests[0]) * (width - left - 70));
        bars +=
            fmt::format("<text x=\"0\" y=\"{}\">{}</text><rect x=\"{}\" y=\"{}\" width=\"{:.1f}\" "
                        "height=\"14\" rx=\"2\"/><text x=\"{:.1f}\" y=\"{}\">{:.0f} s</text>\n",
                        y + 13, escape_markup(tests[i]->id()), left, y + 2, length,
                        left + length + 6, y + 13, seconds(tests[i]));
    }
    return fmt::format("<h2>Durations{}</h2>\n<svg role=\"img\" aria-label=\"Durations of tests\" "
                       "viewBox=\"0 0 {} {}\" width=\"100%\">\n{}</svg>\n",
                       all > tests.size() ? fmt::format(": the {} longest of {}", tests.size(), all)
                                          : "",
                       width, tests.size() * row, bars);
}

std::string render_needs(const Run& run) {
    if (run.needs.empty())
        return "";
    std::string rows;
    for (const auto& need : run.needs)
        rows += fmt::format("<tr><td>{} {}</td><td class=\"n\">{}</td><td>{}</td></tr>\n",
                            escape_markup(need.kind), escape_markup(need.name), need.tests.size(),
                            escape_markup(need.remedy));
    return fmt::format(
        "<h2>Missing for tests that were not run</h2>\n<table><thead><tr><th>what</th>"
        "<th class=\"n\">tests</th><th>remedy</th></tr></thead><tbody>\n{}</tbody>"
        "</table>\n",
        rows);
}

std::string render_facts(const Run& run) {
    std::string rows;
    for (const auto& [name, value] :
         {std::pair<std::string_view, std::string>{"kernel",
                                                   run.kernel_release + " (" + run.kernel + ")"},
          {"machine", run.machine},
          {"root", run.root},
          {"fstests", run.fstests},
          {"selected", run.selection.empty() ? "-g auto" : run.selection},
          {"started", run.started},
          {"time", format_seconds(run.seconds)},
          {"machines", fmt::format("{}", run.machines.size())},
          {"ended early", run.error ? render_line(*run.error) : ""}})
        if (!value.empty())
            rows += fmt::format("<tr><td>{}</td><td>{}</td></tr>\n", name, escape_markup(value));
    return fmt::format("<table class=\"facts\"><tbody>\n{}</tbody></table>\n", rows);
}

std::string render_counts(const Run& run) {
    auto sum = run.summary();
    std::string counts;
    for (const auto& [count, name] : {std::pair(sum.passed, "passed"),
                                      {sum.failed, "failed"},
                                      {sum.crashed, "crashed"},
                                      {sum.timed_out, "timed out"},
                                      {sum.not_run, "not run"},
                                      {sum.expunged, "expunged"},
                                      {sum.not_reached, "not reached"},
                                      {sum.flaky, "flaky"}})
        if (count > 0)
            counts += fmt::format("<span><b>{}</b> {}</span>", count, name);
    return fmt::format("<p class=\"counts\">{}</p>\n", counts);
}

constexpr std::string_view filter_form =
    "<p id=\"filter\" hidden><label>filter <input id=\"word\" type=\"search\"></label>"
    "<label>status <select id=\"kind\"><option value=\"\">all</option>"
    "<option value=\"bad\">went wrong</option><option>passed</option><option>failed</option>"
    "<option>crashed</option><option>timed out</option><option>not run</option>"
    "<option>expunged</option><option>not reached</option></select></label></p>\n";

} // namespace

std::string render_html(const Run& run) {
    std::string rows;
    for (const auto& test : run.tests)
        rows += render_row(test);
    auto title = escape_markup(fmt::format("fstests on {}, {}", run.fstype, run.kernel_release));
    return fmt::format("<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
                       "<meta name=\"viewport\" content=\"width=device-width\"><title>{}</title>"
                       "<style>{}</style></head><body>\n<h1>{}</h1>\n{}{}{}<h2>Tests</h2>\n{}"
                       "<table id=\"tests\"><thead><tr><th>test</th><th>status</th>"
                       "<th class=\"n\">time</th><th>about</th></tr></thead><tbody>\n{}</tbody>"
                       "</table>\n{}<script>{}</script>\n</body></html>\n",
                       title, style, title, render_counts(run), render_facts(run),
                       render_needs(run), filter_form, rows, render_chart(run), filter_script);
}

} // namespace slipway::fstests
