// SPDX-License-Identifier: Apache-2.0
// Tables of partitions that calls read and save. Private to the module.
#pragma once

#include "calls/machine.hpp"
#include "image/partition_table.hpp"

namespace slipway::calls {

/// InvalidArgument, with EINVAL, where there is none.
[[nodiscard]] Result<image::PartitionTable> table_of(const Device& device);
[[nodiscard]] Result<image::PartitionTable> gpt_of(const Device& device);
[[nodiscard]] Result<image::PartitionTable> mbr_of(const Device& device);
[[nodiscard]] Result<unsigned> parse_number_of(std::int64_t partnum);
[[nodiscard]] Result<image::Partition> partition_of(const image::PartitionTable& table,
                                                    const Device& device, std::int64_t partnum);
[[nodiscard]] Status save_table(Machine& machine, const Device& device,
                                image::PartitionTable& table);

} // namespace slipway::calls
