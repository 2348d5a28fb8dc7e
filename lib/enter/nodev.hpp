// SPDX-License-Identifier: Apache-2.0
// Takes the meaning away from device nodes on the guest's filesystems.
#pragma once

#include <span>

namespace slipway::enter {

// All return 0 or an errno, and allocate nothing.

/// All mounts at and below the mount at `path`: mount_setattr(2), Linux 5.12.
[[nodiscard]] int set_nodev_below(const char* path);
/// The same with mount(2), for older kernels: each mount by its path.
[[nodiscard]] int set_nodev_one_by_one(std::span<const char* const> paths);
/// Whether this kernel has mount_setattr(2).
[[nodiscard]] bool has_mount_setattr();

} // namespace slipway::enter
