// SPDX-License-Identifier: Apache-2.0
// What every init expects to find mounted: the bootstrap mounts it for itself and for a target.
#pragma once

#include <array>

#include <sys/mount.h>

namespace slipway::boot {

struct SystemMount {
    const char* type;
    const char* path;
    unsigned long flags = 0;
    const char* options = "";
};
constexpr unsigned long plain_mount = MS_NOSUID | MS_NODEV | MS_NOEXEC;

/// In this order.
inline constexpr std::array system_mounts{
    SystemMount{"proc", "/proc", plain_mount},
    SystemMount{"sysfs", "/sys", plain_mount},
    SystemMount{"devtmpfs", "/dev", MS_NOSUID, "mode=0755"},
    SystemMount{"devpts", "/dev/pts", MS_NOSUID | MS_NOEXEC, "mode=0620,gid=5,ptmxmode=0666"},
    SystemMount{"tmpfs", "/dev/shm", MS_NOSUID | MS_NODEV, "mode=1777"},
    SystemMount{"tmpfs", "/run", MS_NOSUID | MS_NODEV, "mode=0755"},
};

} // namespace slipway::boot
