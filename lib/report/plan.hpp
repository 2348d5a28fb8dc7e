// SPDX-License-Identifier: Apache-2.0
// A change is a plan of named actions with a text form; outcomes say what became of each.
#pragma once

#include <chrono>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.hpp"
#include "report/finding.hpp"

namespace slipway::report {

enum class FstabMode {
    StabilizeAll, ///< every bus-dependent name
    BypathOnly,   ///< only /dev/disk/by-path and by-id names
    Noop,
};
[[nodiscard]] std::string_view name_of(FstabMode mode);

/// What the user wants of the repairs.
struct Policy {
    FstabMode fstab_mode = FstabMode::StabilizeAll;
    bool regen_initramfs = false; ///< run the guest's generator instead of appending a segment
    bool update_grub = false;     ///< run the guest's grub-mkconfig
    bool may_run_guest_programs = true;      ///< false for a guest of another architecture
    std::chrono::seconds tool_timeout{1800}; ///< for each program of the guest
};
[[nodiscard]] Json to_json(const Policy& policy);
[[nodiscard]] Policy policy_from_json(const Json& json);

enum class ActionKind {
    WriteFile,       ///< path gets `content`
    RemoveFile,      ///< path goes away
    AppendInitramfs, ///< a cpio segment with `modules` for `kernel`, and `files`, is appended to
                     ///< the initramfs at path
    RunTool,         ///< argv runs in the enhanced chroot; path is what it writes
};

/// One textual change inside a file, for the report.
struct Change {
    int line_no = 0;
    std::string what; ///< mount point, kernel argument, …
    std::string old_text;
    std::string new_text;
    std::string reason;
};

struct Action {
    std::string repair; ///< name of the repair that asks for it: "fstab", "initramfs", …
    ActionKind kind = ActionKind::WriteFile;
    std::string path{}; ///< guest path
    std::string reason{};
    std::string content{};           ///< WriteFile
    bool keep_backup = false;        ///< WriteFile: the old content stays as path + ".slipway-orig"
    std::vector<Change> changes{};   ///< WriteFile
    std::vector<std::string> argv{}; ///< RunTool
    std::vector<std::string> env{};  ///< RunTool: "NAME=value" added to the clean environment
    bool quiet = false;              ///< RunTool: failure is a warning
    std::string kernel{};            ///< AppendInitramfs, and RunTool for one kernel
    std::vector<std::string>
        modules{}; ///< AppendInitramfs: module names that must be inside afterwards
    /// AppendInitramfs: new text of files that are inside, by their path there
    std::map<std::string, std::string> files{};
    double estimate = 0; ///< seconds at full speed, 0: quick
};
[[nodiscard]] std::string_view name_of(ActionKind kind);
[[nodiscard]] Json to_json(const Action& action);
/// One line: "fstab: change /etc/fstab (2 lines): names of devices that depend on the bus".
[[nodiscard]] std::string render_text(const Action& action);

/// Time that a command in the enhanced chroot took, in seconds.
struct EnterTimings {
    double mount = 0;
    double run = 0;
    double unmount = 0;
};
enum class OutcomeState { Done, Skipped, Failed };
struct Outcome {
    Action action;
    OutcomeState state = OutcomeState::Done;
    std::string detail{}; ///< why skipped, or how it failed
    double seconds = 0;
    EnterTimings timings{}; ///< RunTool only
    std::string output{};   ///< RunTool only: its last output
};
[[nodiscard]] std::string_view name_of(OutcomeState state);
[[nodiscard]] Json to_json(const Outcome& outcome);

struct Plan {
    std::vector<Action> actions;
    Findings findings; ///< what the plan will not or cannot mend
};
[[nodiscard]] Json to_json(const Plan& plan);
[[nodiscard]] std::string render_text(const Plan& plan);

} // namespace slipway::report
