// SPDX-License-Identifier: Apache-2.0
// Carries out one planned action on an opened root.
#pragma once

#include <chrono>
#include <functional>
#include <string>

#include "base/error.hpp"
#include "report/plan.hpp"
#include "sys/host.hpp"
#include "sys/root_dir.hpp"

namespace slipway::enter {
class Root;
}

namespace slipway::repair {

/// A program of the guest that ran to its end.
struct ToolRun {
    int status = 0;     ///< 0-255, or 128+N for signal N
    std::string output; ///< its last output
    report::EnterTimings timings{};
};
using RunTool = std::function<Result<ToolRun>(const report::Action&)>;
/// Returns what was appended, for the outcome's detail.
using AppendInitramfs =
    std::function<Result<std::string>(const sys::RootDir&, const report::Action&)>;

struct ApplyContext {
    const sys::RootDir& root; ///< writable
    const sys::Host& host;
    RunTool run_tool{};                 ///< empty: programs of the guest are not run
    AppendInitramfs append_initramfs{}; ///< empty: initramfs images are left alone
};

/// What became of the action:
/// - WriteFile and RemoveFile: Done, Skipped where it is so already; an error where they fail, and
///   then the file is as it was.
/// - RunTool and AppendInitramfs: Done, Failed with the reason, or Skipped where the context has no
///   function for them. A failure is not an error: the other repairs may still make the guest boot.
/// Cancelled is always an error. Needs write access to the guest's files.
[[nodiscard]] Result<report::Outcome> apply(const report::Action& action,
                                            const ApplyContext& context);

/// Runs RunTool actions in the enhanced chroot; `root` must outlive the function.
[[nodiscard]] RunTool tools_of(const enter::Root& root, const sys::Host& host,
                               std::chrono::milliseconds deadline);

} // namespace slipway::repair
