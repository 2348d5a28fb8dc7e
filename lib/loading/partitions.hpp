// SPDX-License-Identifier: Apache-2.0
// Where the partitions of a disk lie; pure. The kernel of a bootstrap need not know such tables.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "base/error.hpp"

namespace slipway::loading {

struct Partition {
    std::uint64_t offset = 0, size = 0; ///< bytes
    bool operator==(const Partition&) const = default;
};

/// Of GPT (UEFI specification, 5.3; sectors of 512 or 4096 bytes), or else of an MBR without its
/// logical ones. `head`: head_size bytes of the disk; `size`: bytes of all of it. What does not lie
/// on the disk is left out. Corrupt: the table makes no sense; NotFound: it is empty.
[[nodiscard]] Result<std::vector<Partition>> partitions_of(std::string_view head,
                                                           std::uint64_t size);

} // namespace slipway::loading
