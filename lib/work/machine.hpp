// SPDX-License-Identifier: Apache-2.0
// A worker as the first program of a throw-away machine: what has to be there before it can work.
#pragma once

#include "sys/fd.hpp"

namespace slipway::work {

/// What a machine was given for talking to its client.
struct MachineLinks {
    sys::OwnedFd control; ///< a serial line, raw, or a virtio port
    sys::OwnedFd window;  ///< a disk for bulk data, without a cache
};

/// As PID 1 of User-mode Linux, with the host's tree as its root, or of QEMU, with an initramfs:
/// mounts /proc, /sys, /dev, /run and /tmp, loads drivers of disks, opens the links.
[[nodiscard]] Result<MachineLinks> bring_up_machine();

/// From now on a process of its own shows, through the window, that the machine lives.
[[nodiscard]] Status start_pulse(const MachineLinks& links);

/// Writes all back and switches the machine off. Does not return.
[[noreturn]] void switch_off_machine();

/// Answers the kernel's wish for a module: `argv` is {program, "-q", "--", NAME}. Returns the
/// exit status.
[[nodiscard]] int load_wanted_module(const char* name);

} // namespace slipway::work
