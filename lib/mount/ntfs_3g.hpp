// SPDX-License-Identifier: Apache-2.0
// NTFS where the kernel has no driver for it: ntfs-3g, through FUSE.
#pragma once

#include <string>

#include "base/error.hpp"

namespace slipway::mount {

/// Mounts `node`, "nodev". The driver runs on as a process of its own, with our rights, until it is
/// unmounted, and all is written then. `read_only` replays no log.
/// Unsupported: the program is not installed, or the kernel has no FUSE. Permission: Windows
/// hibernated or was not shut down, so it may only be read. Corrupt: damaged.
[[nodiscard]] Status mount_with_ntfs_3g(const std::string& node, const std::string& target,
                                        bool read_only);

} // namespace slipway::mount
