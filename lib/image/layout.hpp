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

/// "sda" for 0, "sdz" for 25, "sdaa" for 26.
[[nodiscard]] std::string disk_name(unsigned index, std::string_view prefix = "sd");

} // namespace slipway::image
