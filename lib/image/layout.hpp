// SPDX-License-Identifier: Apache-2.0
// Partition table and filesystems of a disk, by libblkid, on a descriptor of that disk alone.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "report/inventory.hpp"
#include "sys/fd.hpp"

namespace slipway::image {

struct DiskLayout {
    std::string table; ///< "dos", "gpt", …, or "none"
    std::string table_id;
    std::vector<report::Volume>
        volumes; ///< partitions in order of their numbers, or the disk itself
};

/// Reads the table and the superblock of each partition. `name` is the disk's: its partitions are
/// name + number. Extended partitions are left out. A disk that holds nothing known has no volumes.
/// Partitions that reach past the end of the disk are Corrupt.
[[nodiscard]] Result<DiskLayout> probe_layout(sys::BorrowedFd disk, const std::string& name,
                                              std::uint64_t size);

/// "dos", "gpt", …; "" where there is none, as on a filesystem whose boot sector could be taken for
/// a table.
[[nodiscard]] std::string table_type(sys::BorrowedFd disk, std::uint64_t size);

/// What a device holds that is a filesystem or a container, never a disk with partitions. Its type
/// is "" where nothing is known.
[[nodiscard]] report::Volume probe_volume(sys::BorrowedFd device, const std::string& name,
                                          std::uint64_t size);

/// Takes off the marks of all filesystems, containers and tables that libblkid knows. The device is
/// open to be written.
[[nodiscard]] Status wipe_signatures(sys::BorrowedFd device);

/// "sda" for 0, "sdz" for 25, "sdaa" for 26.
[[nodiscard]] std::string disk_name(unsigned index, std::string_view prefix = "sd");

} // namespace slipway::image
