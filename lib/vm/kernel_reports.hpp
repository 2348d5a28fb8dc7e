// SPDX-License-Identifier: Apache-2.0
// What a Linux kernel complains of on its console: panics, oopses, lock inversions, … Pure.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace slipway::vm {

/// One complaint, from its first line to its trace.
struct KernelReport {
    /// "panic", "oops", "bug", "warning", "lockdep", "kasan", "kmsan", "kcsan", "ubsan", "kfence",
    /// "hung-task", "soft-lockup", "hard-lockup", "rcu-stall", "oom", "memory-leak", "assertion".
    std::string kind;
    std::string title;    ///< the first line, without its time stamp
    std::string function; ///< the function that it names (RIP, or the first of the trace), or ""
    std::string process;  ///< "Comm:" of the report, or ""
    double at = 0;        ///< seconds of the kernel's clock, 0 where the lines have none
    std::size_t line = 0; ///< of the console, counted from 1
    std::vector<std::string> text; ///< the lines that belong to it, at most 60
    bool fatal = false;            ///< the kernel does not go on after it
};

/// Reads a console line by line.
class KernelReports {
public:
    void see(std::string_view line);
    [[nodiscard]] const std::vector<KernelReport>& found() const { return found_; }

private:
    std::vector<KernelReport> found_;
    std::size_t lines_ = 0;
    std::size_t left_ = 0; ///< lines that may still belong to the last report
    double last_ = 0;      ///< time of the last line
};

} // namespace slipway::vm
