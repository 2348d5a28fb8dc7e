// SPDX-License-Identifier: Apache-2.0
// From names by bus position to names that survive the move. Pure.
#pragma once

#include <string>
#include <string_view>

#include "base/error.hpp"
#include "report/inventory.hpp"

namespace slipway::repair {

/// The volume that a device name means in this guest. What its own fstab mounts at / is the volume
/// where / was found, and that also says which disk the guest called sda; other names go by the
/// order of disks. NotFound: the image has no such volume. Unsupported: it cannot be told which.
/// `type` is the filesystem expected (as of fstab(5)), or "".
[[nodiscard]] Result<const report::Volume*>
find_device(const report::Inventory& inventory, std::string_view spec, std::string_view type);

/// "UUID=…" of the filesystem, swap area or LUKS header; "PARTUUID=…" where it has none. Corrupt
/// where another volume of the guest carries the same one; Unsupported where there is neither.
[[nodiscard]] Result<std::string> stable_name(const report::Inventory& inventory,
                                              const report::Volume& volume);
/// "PARTUUID=…", for what has no header of its own or is looked up by the kernel itself (which
/// knows no filesystem UUIDs; see name_to_dev_t in the kernel's init/do_mounts.c).
[[nodiscard]] Result<std::string> partition_name(const report::Inventory& inventory,
                                                 const report::Volume& volume);

/// A device by its numbers, as old boot loaders wrote it: 0801, 8:1.
[[nodiscard]] bool is_device_number(std::string_view device);

/// A name that only a host gives a guest's disk while it works on it: /dev/loop0, /dev/nbd0p2,
/// /dev/mapper/loop0p1, /dev/mapper/nbd0p1, /dev/mapper/osprober-linux-….
[[nodiscard]] bool is_host_device(std::string_view path);

} // namespace slipway::repair
