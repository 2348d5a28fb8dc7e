// SPDX-License-Identifier: Apache-2.0
// What tests came to once, kept under a name, and what has changed since. Pure.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "fstests/records.hpp"

namespace slipway::fstests {

/// What is kept of one test.
struct BaselineTest {
    TestStatus status = TestStatus::Passed;
    bool flaky = false;
    std::optional<double> seconds{};
    std::string reason{};
};

struct Baseline {
    std::string name;
    std::string saved; ///< UTC
    std::string run;   ///< id of the run it was made from
    std::string kernel_release;
    std::string fstype;
    std::string selection;                       ///< of the run
    std::map<std::string, BaselineTest> tests{}; ///< by Test::id
};
/// How many tests there are of each status, by its name.
[[nodiscard]] std::map<std::string, std::size_t> count_statuses(const Baseline& baseline);
/// One line for people, with its end.
[[nodiscard]] std::string render_line(const Baseline& baseline);
[[nodiscard]] Baseline make_baseline(const Run& run, std::string name, std::string saved);

/// A test whose result is another one now.
struct Change {
    std::string test;   ///< Test::id
    std::string before; ///< status, "flaky", or "" where it was not in the baseline
    std::string now;    ///< likewise
    std::string reason{};
};

struct Comparison {
    std::string baseline;
    std::string run;
    std::vector<Change> regressions{}; ///< bad now, and was passed, not run, or not in the baseline
    std::vector<Change> fixes{};       ///< passed now, and was bad
    std::vector<Change> new_skips{};   ///< not run or expunged now, and was started
    std::vector<Change> new_tests{};   ///< not in the baseline; the bad ones are regressions too
    std::vector<Change> removed{};     ///< in the baseline only; where the same was selected
    std::vector<Change> flaky{};       ///< flaky now or then, and so neither regression nor fix
    std::vector<Change> others{};      ///< another status without a word above: crashed -> failed
    std::size_t not_selected = 0;      ///< in the baseline only; where something else was selected
    std::size_t unchanged = 0;
    std::size_t still_bad = 0; ///< of the unchanged ones
};
[[nodiscard]] Comparison compare(const Baseline& baseline, const Run& run);

/// slipway.fstests-baseline.v1
[[nodiscard]] Json to_json(const Baseline& baseline);
[[nodiscard]] Result<Baseline> baseline_from_json(const Json& json);
[[nodiscard]] Json to_json(const Comparison& comparison);
[[nodiscard]] std::string render_text(const Comparison& comparison);

} // namespace slipway::fstests
