// SPDX-License-Identifier: Apache-2.0
// What was fetched, by its content; pure.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/error.hpp"

namespace slipway::loading {

/// Disk: with partitions.
enum class ImageFormat { Squashfs, Erofs, Ext4, Xfs, Btrfs, Tar, Disk };
[[nodiscard]] std::string_view name_of(ImageFormat format);

/// Bytes that identify_image has to see.
constexpr std::size_t head_size = 66 << 10;
/// By magic numbers; pure. Unsupported: what it is instead, and what to do with it.
[[nodiscard]] Result<ImageFormat> identify_image(std::string_view head);
/// Corrupt where the filesystem says that it is larger than the file.
[[nodiscard]] Status check_whole(std::string_view head, ImageFormat format, std::uint64_t size);

} // namespace slipway::loading
