// SPDX-License-Identifier: Apache-2.0
// What the name of a device in a guest's configuration points at, among the volumes of its image.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "report/inventory.hpp"

namespace slipway::mount {

/// The first field of an fstab line, the value of root=, and the like. Borrowed pointer into the
/// volumes asked.
struct Resolution {
    const report::Volume* volume = nullptr; ///< null: no volume of the image has this name
    bool is_device = false; ///< it names a local disk, partition or volume, there or not
    bool removable = false; ///< a drive whose medium does not belong to the guest: cdrom, sr0, fd0
    /// Several volumes answer to it; `volume` is the first in the order of disks.
    bool ambiguous = false;
};

/// Understands TAG=value with UUID, LABEL, PARTUUID and PARTLABEL (quoted or not),
/// /dev/disk/by-{uuid,label,partuuid,partlabel}/ with udev's \xNN escapes, names by bus position
/// such as /dev/sda2 (disk by order, partition by number; see parse_device_name), and
/// /dev/mapper/vg-lv and /dev/vg/lv, /dev/md0 and /dev/md/name. Other arrays, and mappings of LUKS,
/// whose names stand in the guest's files, are told only where there is one. /dev/disk/by-path and
/// by-id say nothing about the order of disks, so they resolve only where one volume alone has the
/// partition number and, where `type` (as of fstab(5), may be "") names a filesystem, that type.
/// A dataset of ZFS (ZFS=…, zfs:…, or by itself with that type) is told where its pool is open.
/// Pure.
[[nodiscard]] Resolution resolve_device(std::string_view spec, std::string_view type,
                                        std::span<const report::Volume> volumes);

/// Resolves names as this guest means them: what its own fstab mounts at / is the volume where /
/// was found, and that says which of our disks the guest calls sda. Borrows the volumes.
class GuestDevices {
public:
    /// `root_spec` is the first field of the fstab line of /, or "".
    GuestDevices(std::span<const report::Volume> volumes, const report::Volume* root,
                 std::string_view root_spec);
    [[nodiscard]] Resolution resolve(std::string_view spec, std::string_view type) const;

private:
    std::span<const report::Volume> volumes_;
    const report::Volume* root_;
    std::string root_spec_;
    bool shifted_ = false; ///< the guest counts the root's disk otherwise than we do
    unsigned guests_root_disk_ = 0;
    unsigned our_root_disk_ = 0;
};

/// "a--b-c--d" of /dev/mapper is volume group "a-b", logical volume "c-d": returns "a-b/c-d", or ""
/// where the text is no such name.
[[nodiscard]] std::string volume_of_mapper_name(std::string_view name);

} // namespace slipway::mount
