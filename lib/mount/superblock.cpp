// SPDX-License-Identifier: Apache-2.0
#include "mount/superblock.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include <fcntl.h>

#include "sys/fd.hpp"

namespace slipway::mount {
namespace {

std::uint64_t little_endian(std::span<const std::byte> bytes) {
    std::uint64_t value = 0;
    for (auto byte = bytes.rbegin(); byte != bytes.rend(); ++byte)
        value = value << 8 | std::to_integer<std::uint64_t>(*byte);
    return value;
}

std::optional<std::uint64_t> read_field(const std::string& node, std::uint64_t offset,
                                        std::size_t size) {
    std::array<std::byte, 8> bytes{};
    auto field = std::span(bytes).first(std::min(size, bytes.size()));
    auto fd = sys::open_file(node, O_RDONLY);
    if (!fd || !sys::read_exactly_at(*fd, field, offset))
        return std::nullopt;
    return little_endian(field);
}

} // namespace

std::optional<bool> journal_needs_recovery(const std::string& node, std::string_view type) {
    if (type == "ext2" || type == "ext3" || type == "ext4") {
        constexpr std::uint64_t incompatible_features = 1024 + 0x60, needs_recovery = 0x4;
        auto features = read_field(node, incompatible_features, 4);
        return features ? std::optional((*features & needs_recovery) != 0) : std::nullopt;
    }
    if (type == "btrfs") {
        constexpr std::uint64_t log_root = 0x10000 + 0x60;
        auto root = read_field(node, log_root, 8);
        return root ? std::optional(*root != 0) : std::nullopt;
    }
    return std::nullopt;
}

std::uint64_t device_count(const std::string& node, std::string_view type) {
    constexpr std::uint64_t num_devices = 0x10000 + 0x88; // as above
    return type == "btrfs" ? read_field(node, num_devices, 8).value_or(1) : 1;
}

std::optional<std::uint64_t> btrfs_used(const std::string& node) {
    constexpr std::uint64_t bytes_used = 0x10000 + 0x78; // as above
    return read_field(node, bytes_used, 8);
}

} // namespace slipway::mount
