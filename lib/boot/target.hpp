// SPDX-License-Identifier: Apache-2.0
// A system that runs in namespaces of its own, as the contained way enters it: whatever it does,
// it can be ended from outside.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "boot/consoles.hpp"
#include "sys/fd.hpp"

namespace slipway::boot {

struct TargetSpec {
    std::string root; ///< a mount of its own
    std::string init; ///< a path in it
    std::vector<Consoles::Lent> consoles{};
    std::string helpers{}; ///< a directory that it finds as /run/slipway; "" for none
};

/// How a target came to its end.
enum class TargetEnd { PoweredOff, Restarted, Killed, Failed };

class Target {
public:
    /// Starts its init as PID 1 of new PID, mount, UTS and IPC namespaces, at the real root of the
    /// control groups: in a cgroup namespace systemd takes itself for a container's. The caller has
    /// moved itself out of that, see leave_root_cgroup. CAP_SYS_ADMIN.
    [[nodiscard]] static Result<Target> start(const TargetSpec& spec);
    Target(Target&& other) noexcept;
    Target& operator=(Target&&) = delete;
    ~Target(); ///< kills it

    /// Ready to read when it has ended.
    [[nodiscard]] sys::BorrowedFd fd() const { return fd_; }
    /// As systemd, and most others that know it, stop on SIGRTMIN+3; sysvinit and busybox on
    /// SIGUSR2.
    void ask_to_end() const;
    /// Everything in it, at once.
    void kill() const;
    /// Nothing while it runs.
    [[nodiscard]] std::optional<TargetEnd> poll_end();
    [[nodiscard]] pid_t pid() const { return pid_; }

private:
    Target(pid_t pid, sys::OwnedFd fd) : pid_(pid), fd_(std::move(fd)) {}
    pid_t pid_;
    sys::OwnedFd fd_;
};

/// Mounts the control groups, and moves this process into one of its own.
[[nodiscard]] Status leave_root_cgroup();
/// Kills and removes all groups but that one. Returns how many there were.
[[nodiscard]] std::size_t remove_other_cgroups();

} // namespace slipway::boot
