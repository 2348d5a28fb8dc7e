// SPDX-License-Identifier: Apache-2.0
// An image's system that runs; and one in namespaces of its own, as the contained way enters it:
// whatever it does, it can be ended from outside.
#pragma once

#include <memory>
#include <optional>

#include "base/error.hpp"
#include "boot/target_root.hpp"
#include "sys/fd.hpp"

namespace slipway::boot {

/// How a target came to its end.
enum class TargetEnd { PoweredOff, Restarted, Killed, Failed };

/// An image's system, from its start to its end.
class RunningSystem {
public:
    RunningSystem() = default;
    RunningSystem(const RunningSystem&) = delete;
    RunningSystem& operator=(const RunningSystem&) = delete;
    virtual ~RunningSystem() = default; ///< kills it where that can be done

    /// Ready to read when it has ended.
    [[nodiscard]] virtual sys::BorrowedFd fd() const = 0;
    [[nodiscard]] virtual pid_t pid() const = 0;
    /// As systemd, and most others that know it, stop on SIGRTMIN+3; sysvinit and busybox on
    /// SIGUSR2.
    virtual void ask_to_end() = 0;
    /// Everything in it, at once. False: this one cannot be killed.
    virtual bool kill() = 0;
    /// Nothing while it runs.
    [[nodiscard]] virtual std::optional<TargetEnd> poll_end() = 0;
    /// After its end: why it never started; "" if it did.
    [[nodiscard]] virtual std::string complaint() { return ""; }
};

/// Starts its init as PID 1 of new PID, mount, UTS and IPC namespaces, at the real root of the
/// control groups: in a cgroup namespace systemd takes itself for a container's. The caller moves
/// itself out of that, see leave_root_cgroup. Whatever keeps the init from starting is an error
/// here, or, where that takes its time (an image that is fetched meanwhile), its complaint at its
/// end. CAP_SYS_ADMIN.
[[nodiscard]] Result<std::unique_ptr<RunningSystem>> start_contained(const TargetSpec& spec);

/// Of the bootstrap.
constexpr auto own_cgroup = "/sys/fs/cgroup/slipway-bootstrap";
/// Mounts the control groups, and moves this process into one of its own.
[[nodiscard]] Status leave_root_cgroup();
/// Kills and removes all groups but that one. Returns how many there were.
[[nodiscard]] std::size_t remove_other_cgroups();

} // namespace slipway::boot
