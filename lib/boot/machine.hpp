// SPDX-License-Identifier: Apache-2.0
// The machine that the bootstrap has for itself: mounts, memory, the end.
#pragma once

#include <cstdint>
#include <string>

#include <sys/types.h>

#include "base/error.hpp"

namespace slipway::boot {

/// Mounts /proc, /sys, /dev, /dev/pts, /dev/shm, /run and /tmp, as PID 1 of a kernel that has just
/// started finds nothing. What is mounted already stays.
[[nodiscard]] Status mount_own_filesystems();

/// Moves the initramfs into a tmpfs, and that to the root: a rootfs cannot be left by pivot_root
/// (EINVAL, also in a mount namespace of one's own), and its memory is not given back. To be called
/// before anything is mounted. No error where the root is another already.
[[nodiscard]] Status leave_rootfs();

/// Keeps this process in memory, what it will need too, out of the sight of the kernel's OOM
/// killer, and before all others at the processor: a system that eats all memory, or forks without
/// end, must not be able to end or stop what brings the operator back. Children are like others
/// after `let_be_killed` only.
[[nodiscard]] Status protect_this_process();
/// 0: this process.
void let_be_killed(pid_t process = 0);
/// Before all whose class is not SCHED_DEADLINE, whatever their priority, for two fifths of a
/// processor; its threads and children are as others are. A kernel that refuses leaves it at that.
/// 0: this process.
void go_before_all(pid_t process);

/// Syncs and ends the machine: "poweroff", "reboot" or "halt". Does not come back.
[[noreturn]] void end_machine(const std::string& how);

} // namespace slipway::boot
