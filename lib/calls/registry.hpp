// SPDX-License-Identifier: Apache-2.0
// All calls that a machine can carry out, by name.
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "base/json.hpp"
#include "work/peer.hpp"

namespace slipway::calls {

struct Machine;

/// `arguments`: a list in the order of lib/guestfs/calls/*.txt without those that are streams.
using Handler = Result<Json> (*)(Machine& machine, const Json& arguments, work::Peer& peer);
struct Call {
    std::string_view name;
    Handler handle;
};
using Calls = std::span<const Call>;

/// Null where there is none.
[[nodiscard]] const Call* find_call(std::string_view name);
[[nodiscard]] std::vector<std::string_view> call_names();

// The families; each is a file of its own.
[[nodiscard]] Calls mount_calls();
[[nodiscard]] Calls device_calls();
[[nodiscard]] Calls stat_calls();
[[nodiscard]] Calls content_calls();
[[nodiscard]] Calls archives_calls();
[[nodiscard]] Calls attributes_calls();
[[nodiscard]] Calls augeas_calls();
[[nodiscard]] Calls block_calls();
[[nodiscard]] Calls btrfs_calls();
[[nodiscard]] Calls btrfs_upkeep_calls();
[[nodiscard]] Calls logical_volume_calls();
[[nodiscard]] Calls partition_attribute_calls();
[[nodiscard]] Calls ext_calls();
[[nodiscard]] Calls label_calls();
[[nodiscard]] Calls mkfs_calls();
[[nodiscard]] Calls ntfs_calls();
[[nodiscard]] Calls swap_calls();
[[nodiscard]] Calls xfs_calls();
[[nodiscard]] Calls commands_calls();
[[nodiscard]] Calls features_calls();
[[nodiscard]] Calls filesystems_calls();
[[nodiscard]] Calls hivex_calls();
[[nodiscard]] Calls inspection_calls();
[[nodiscard]] Calls luks_calls();
[[nodiscard]] Calls lvm_calls();
[[nodiscard]] Calls md_calls();
[[nodiscard]] Calls partitions_calls();
[[nodiscard]] Calls search_calls();
[[nodiscard]] Calls copying_calls();
[[nodiscard]] Calls digest_calls();
[[nodiscard]] Calls grep_calls();
[[nodiscard]] Calls lines_calls();
[[nodiscard]] Calls listing_calls();
[[nodiscard]] Calls making_calls();
[[nodiscard]] Calls permission_calls();

} // namespace slipway::calls
