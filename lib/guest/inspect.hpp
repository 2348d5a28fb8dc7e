// SPDX-License-Identifier: Apache-2.0
// Looks into an opened root and fills an Inventory.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "mount/tree.hpp"
#include "mount/volumes.hpp"
#include "report/inventory.hpp"
#include "sys/root_dir.hpp"

namespace slipway::guest {

/// What was opened. `root` may be any directory; nodes may be absent.
struct OpenedGuest {
    const sys::RootDir& root;
    std::vector<mount::MountableDisk> disks{};
    mount::Volumes volumes{};
    std::string root_name{};                          ///< volume of /
    std::map<std::string, std::string> mountpoints{}; ///< guest path -> volume
    std::vector<std::string> dirty_volumes{};         ///< journal not replayed
    report::Findings findings{};                      ///< of finding and mounting
};
/// `tree` must outlive the result.
[[nodiscard]] OpenedGuest opened_guest(const mount::MountTree& tree,
                                       std::vector<mount::MountableDisk> disks,
                                       mount::Volumes volumes);

/// Everything but what `examine_kernels` adds. Reads files of limited size and number, starts no
/// process and runs no code of the guest; needs no privilege but read access. What is wrong with
/// the guest is a finding (ids in README.md). NotFound: the root holds no operating system.
[[nodiscard]] Result<report::Inventory> inspect(const OpenedGuest& guest);

} // namespace slipway::guest
