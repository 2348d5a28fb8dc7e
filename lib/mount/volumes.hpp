// SPDX-License-Identifier: Apache-2.0
// The volumes and disks of an opened image as this worker can reach them.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"
#include "report/inventory.hpp"

namespace slipway::mount {

/// A volume of the image and the block node of this worker's private /dev by which it can be
/// mounted. Nodes never leave the worker: reports and errors name volumes.
struct MountableVolume {
    report::Volume volume;
    /// Such as "/dev/vda1", of ZFS the name of the dataset in this kernel; "" if it has none.
    std::string node{};
    std::string mountpoint{}; ///< where the guest mounts it without a line in its fstab (ZFS)
    bool may_be_root = true;  ///< false: no system is looked for there
};

/// A disk of the image and its block node, "" if it has none.
struct MountableDisk {
    report::Disk disk;
    std::string node{};
};

using Volumes = std::vector<MountableVolume>;

[[nodiscard]] const MountableVolume* find_volume(const Volumes& volumes, std::string_view name);

/// Nodes of the other volumes that carry the same btrfs filesystem: its further devices.
[[nodiscard]] std::vector<std::string> sibling_nodes(const MountableVolume& volume,
                                                     const Volumes& volumes);

/// A root that can be mounted: a volume, or a subvolume of a btrfs volume.
struct RootName {
    std::string volume;      ///< "sda2", "vg/lv"
    std::string subvolume{}; ///< "@", "@/.snapshots/1/snapshot"; "": the default subvolume
};
/// "sda2", "btrfs:sda2/@", "btrfs:vg/lv/@". NotFound lists the volumes that there are;
/// InvalidArgument for a subvolume that could be taken for mount options.
[[nodiscard]] Result<RootName> parse_root_name(std::string_view name, const Volumes& volumes);
[[nodiscard]] std::string render_root_name(const RootName& root);
/// Whether the text can stand after "subvol=" without becoming another option: no comma, control
/// character or "..", not empty.
[[nodiscard]] bool is_safe_subvolume(std::string_view subvolume);

} // namespace slipway::mount
