// SPDX-License-Identifier: Apache-2.0
// A pipeline is a list of named steps; their times stand in the report under the names.
#pragma once

#include <string>
#include <utility>

#include "ops/open_image.hpp"
#include "report/report.hpp"
#include "sys/output_file.hpp"

namespace slipway::ops {

/// Runs `step`, and adds its time to `timings[name]` whether it failed or not. Shows the name as
/// progress.
template <class Step>
auto timed(const Context& context, report::Report& report, const std::string& name, Step&& step) {
    if (context.host.progress)
        context.host.progress({.step = name, .done = 0, .total = 0, .bytes = false});
    auto start = Clock::now();
    auto result = std::forward<Step>(step)();
    report.timings[name] += seconds_since(start);
    return result;
}

/// What is known when an operation begins: time, host, command line.
[[nodiscard]] report::Report begin_report(const std::string& command,
                                          const std::vector<std::string>& argv);
/// Versions of the programs used; costs a process each, so only for reports that are kept.
[[nodiscard]] Json tool_versions(const Context& context);
/// Writes the report as a whole file. The caller opens it before the work, so that a place that
/// cannot be written is known in time.
[[nodiscard]] Status write_report(const report::Report& report, sys::OutputFile file);

} // namespace slipway::ops
