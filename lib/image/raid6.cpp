// SPDX-License-Identifier: Apache-2.0
#include "image/raid6.hpp"

#include <array>
#include <cstdint>

namespace slipway::image {
namespace {

std::uint64_t number_at(sys::BorrowedFd volume, std::uint64_t offset, std::size_t size) {
    std::array<std::byte, 8> bytes{};
    if (!sys::read_exactly_at(volume, std::span(bytes).first(size), offset))
        return 0;
    std::uint64_t value = 0;
    for (std::size_t i = size; i-- > 0;)
        value = value << 8 | std::to_integer<std::uint64_t>(bytes.at(i));
    return value;
}

// fs/btrfs/ctree.h: the superblock's incompat_flags, of which one stands for raid5 and raid6.
bool btrfs_needs_it(sys::BorrowedFd volume) {
    constexpr std::uint64_t superblock = 64 << 10, incompat_flags = 0xBC, raid56 = 1 << 7;
    return (number_at(volume, superblock + incompat_flags, 8) & raid56) != 0;
}

// include/uapi/linux/raid/md_p.h: mdp_superblock_1, at the start (1.1) or 4 KiB later (1.2). At the
// end stand 1.0 and 0.90, which are rare: they count as needing it.
bool array_needs_it(sys::BorrowedFd volume) {
    constexpr std::uint64_t magic = 0xa92b4efc, level_at = 72, raid6 = 6;
    for (std::uint64_t place : {4096, 0})
        if (number_at(volume, place, 4) == magic)
            return number_at(volume, place + level_at, 4) == raid6;
    return true;
}

} // namespace

bool needs_raid6(sys::BorrowedFd volume, std::string_view type) {
    if (type == "btrfs")
        return btrfs_needs_it(volume);
    return type == "linux_raid_member" && array_needs_it(volume);
}

} // namespace slipway::image
