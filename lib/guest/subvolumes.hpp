// SPDX-License-Identifier: Apache-2.0
// Which subvolumes of a btrfs filesystem are systems of their own, and which are snapshots of one.
#pragma once

#include <string>
#include <vector>

#include "mount/ladder.hpp"

namespace slipway::guest {

/// Paths of the subvolumes that hold a system, for a filesystem whose top level is mounted and
/// whose default subvolume holds none: those directly below the top, of usual names first. A
/// snapshot of one that was found is left out, and so are read-only ones. Where there is none, the
/// snapshots that snapper keeps are looked at, and the newest that can be written counts.
[[nodiscard]] std::vector<std::string> find_system_subvolumes(const mount::MountedVolume& top);

} // namespace slipway::guest
