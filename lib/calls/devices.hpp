// SPDX-License-Identifier: Apache-2.0
// Block devices of the machine, and what they hold. Private to the module.
#pragma once

#include <string>
#include <vector>

#include "calls/machine.hpp"
#include "mount/volumes.hpp"

namespace slipway::calls {

/// A block device opened to be read, or read and written.
[[nodiscard]] Result<sys::OwnedFd> open_device(const Device& device, int flags);
/// Bytes.
[[nodiscard]] Result<std::uint64_t> size_of(const Device& device);
/// By libblkid, with its node.
[[nodiscard]] Result<mount::MountableVolume> probe(const Device& device);
/// "gpt", "msdos", …. InvalidArgument where there is none.
[[nodiscard]] Result<std::string> table_type_of(const Device& device);
/// Whether a filesystem, and no partition table, is on the device.
[[nodiscard]] bool holds_filesystem_alone(const Device& device);
/// In small letters.
[[nodiscard]] std::string random_uuid();
/// Disks in their order, without partitions.
[[nodiscard]] std::vector<Device> whole_disks(const Machine& machine);
/// Disks, partitions, and what was made of them.
[[nodiscard]] std::vector<Device> all_devices(const Machine& machine);
/// Of one disk, in the order of their numbers.
[[nodiscard]] std::vector<Device> partitions_of(const image::AttachedDisk& disk);

} // namespace slipway::calls
