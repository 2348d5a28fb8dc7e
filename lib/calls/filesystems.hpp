// SPDX-License-Identifier: Apache-2.0
// What several calls want of a filesystem. Private to the module.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "calls/machine.hpp"
#include "mount/ladder.hpp"

namespace slipway::calls {

struct Subvolume {
    std::uint64_t id = 0;
    std::uint64_t top_level = 0;
    std::string path;
};
struct Subvolumes {
    std::vector<Subvolume> all;
    std::uint64_t default_id = 0;
};
[[nodiscard]] Result<Subvolumes> btrfs_subvolumes(Machine& machine, const Mountable& mountable);

/// Nodes of the other devices of the same btrfs filesystem.
[[nodiscard]] std::vector<std::string> other_nodes(const Machine& machine,
                                                   const mount::MountableVolume& volume);

} // namespace slipway::calls
