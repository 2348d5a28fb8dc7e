// SPDX-License-Identifier: Apache-2.0
// Process 1 of a command's PID namespace: builds the view, starts the command, reaps, and reports.
// It runs between fork and exec of a process that may have held anything, so it allocates nothing
// and all that it needs is made ready before.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include <linux/filter.h>
#include <sys/ioctl.h>

#include "enter/script.hpp"

namespace slipway::enter {

/// Steps of the init itself; those of the script are numbered from `FirstOfScript` on.
enum class InitStep : int {
    Cgroup,
    Network,
    Hostname,
    Stage,
    Root,
    Nodev,
    Pivot,
    Detach,
    Terminal,
    Privileges,
    Filter,
    Directory,
    Command,
    FirstOfScript,
};
[[nodiscard]] std::string_view describe(InitStep step);

/// What the init tells, one datagram each.
struct InitReport {
    enum class Kind : int {
        Started,     ///< the command was executed; carries the terminal, if there is one
        NotExecuted, ///< `error` says why
        Failed,      ///< `step` and `error`: a failure of ours
        Ended,       ///< `wait_status` as of waitpid(2)
    };
    Kind kind = Kind::Failed;
    int step = 0;
    int error = 0;
    int wait_status = 0;
    bool timed_out = false;
    std::int64_t at = 0; ///< CLOCK_MONOTONIC, ns: when it was executed, or ended
};

/// A realtime signal from outside the namespace whose value is a signal for the command's group.
[[nodiscard]] int forward_signal();

struct InitPlan {
    const char* directory = nullptr; ///< the root, in the caller's view
    bool bind_root = false;          ///< it is no mount point, and pivot_root(2) wants one
    const char* stage = nullptr;
    /// Mounts that get nodev one by one, where the kernel has no mount_setattr(2); see
    /// classic_nodev.
    std::span<const char* const> nodev_paths{};
    bool classic_nodev = false;
    std::array<std::span<const Step>, 3> scripts{}; ///< carried out in this order
    std::string_view hostname{};
    bool own_hostname = false; ///< there is a UTS namespace to set it in
    std::uint64_t capabilities = 0;
    sock_fprog filter{};
    std::span<char> command_line{}; ///< of the caller, in its memory

    std::span<const char* const> programs{}; ///< tried in this order
    char* const* argv = nullptr;
    char* const* env = nullptr;
    const char* cwd = nullptr;
    bool tty = false;
    struct winsize window {};
    std::int64_t deadline = 0; ///< ns, 0: none

    // Descriptors of the caller; -1: none.
    int control = -1;
    int null = -1;                           ///< /dev/null
    int network = -1;                        ///< namespace to change to
    int cgroup_procs = -1;                   ///< of a cgroup of version 1
    std::array<int, 3> standard{-1, -1, -1}; ///< -1 is the terminal

    // Memory for the child that shares ours until it executes the command.
    alignas(16) std::array<std::byte, 32768> stack{};
    std::optional<InitStep> failed_step{};
    int exec_error = 0;
    std::int64_t exec_time = 0;
};

/// For sys::clone_child; the argument is an InitPlan.
[[nodiscard]] int init_body(void* argument);

} // namespace slipway::enter
