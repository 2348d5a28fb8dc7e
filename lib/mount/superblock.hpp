// SPDX-License-Identifier: Apache-2.0
// What a superblock says before it is mounted. Needs read access to the node.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace slipway::mount {

/// Reads one flag of the superblock of ext2/3/4 (incompatible feature "needs_recovery", Linux
/// Documentation/filesystems/ext4/super.rst) or btrfs (the root of its log tree, btrfs-progs
/// Documentation/dev/On-disk-format). Nothing for types that do not say it there, such as xfs, and
/// where the device cannot be read.
[[nodiscard]] std::optional<bool> journal_needs_recovery(const std::string& node,
                                                         std::string_view type);

/// How many devices a filesystem is spread over, as one of them says: btrfs, 1 for all others, and
/// where the device cannot be read.
[[nodiscard]] std::uint64_t device_count(const std::string& node, std::string_view type);

/// What a btrfs filesystem has taken, by its superblock: kernels count differently in statfs(2).
[[nodiscard]] std::optional<std::uint64_t> btrfs_used(const std::string& node);

} // namespace slipway::mount
