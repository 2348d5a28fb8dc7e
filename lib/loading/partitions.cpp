// SPDX-License-Identifier: Apache-2.0
#include "loading/partitions.hpp"

#include <algorithm>
#include <array>
#include <cstring>

#include <endian.h>

namespace slipway::loading {
namespace {

constexpr std::string_view gpt_magic = "EFI PART";
constexpr std::size_t mbr_sector = 512, mbr_table = 446, mbr_entry = 16, mbr_entries = 4;
constexpr std::size_t gpt_entry = 128; // the least
constexpr std::uint32_t gpt_entries = 128;

template <class T> T number_at(std::string_view head, std::size_t at) {
    T value{};
    std::memcpy(&value, head.data() + at, sizeof value);
    return value;
}
std::uint64_t number64_at(std::string_view head, std::size_t at) {
    return le64toh(number_at<std::uint64_t>(head, at));
}
std::uint32_t number32_at(std::string_view head, std::size_t at) {
    return le32toh(number_at<std::uint32_t>(head, at));
}

// Nothing where they do not lie on the disk.
void add(std::vector<Partition>& found, std::uint64_t first, std::uint64_t count,
         std::uint64_t sector, std::uint64_t size) {
    auto all = size / sector;
    if (first != 0 && count != 0 && first < all && count <= all - first)
        found.push_back({first * sector, count * sector});
}

std::vector<Partition> of_gpt(std::string_view head, std::size_t sector, std::uint64_t size) {
    std::vector<Partition> found;
    auto table = number64_at(head, sector + 72); // PartitionEntryLBA
    auto count = std::min(number32_at(head, sector + 80), gpt_entries);
    auto entry = number32_at(head, sector + 84);
    if (entry < gpt_entry || entry > mbr_sector * 8 || table > head.size() / sector)
        return found;
    for (std::uint32_t at = 0; at < count; ++at) {
        auto place = table * sector + std::size_t{at} * entry;
        if (place + gpt_entry > head.size())
            break;
        bool is_used = number64_at(head, place) != 0 || number64_at(head, place + 8) != 0;
        auto first = number64_at(head, place + 32), last = number64_at(head, place + 40);
        if (is_used && last >= first && last < size)
            add(found, first, last - first + 1, sector, size);
    }
    return found;
}

std::vector<Partition> of_mbr(std::string_view head, std::uint64_t size) {
    constexpr std::array<unsigned char, 4> not_these{0x05, 0x0f, 0x85, 0xee}; // extended, GPT
    std::vector<Partition> found;
    for (std::size_t at = 0; at < mbr_entries; ++at) {
        auto place = mbr_table + at * mbr_entry;
        auto type = static_cast<unsigned char>(head[place + 4]);
        if (type != 0 && std::find(not_these.begin(), not_these.end(), type) == not_these.end())
            add(found, number32_at(head, place + 8), number32_at(head, place + 12), mbr_sector,
                size);
    }
    return found;
}

} // namespace

Result<std::vector<Partition>> partitions_of(std::string_view head, std::uint64_t size) {
    std::vector<Partition> found;
    bool is_gpt = false;
    for (std::size_t sector : {std::size_t{512}, std::size_t{4096}})
        if (!is_gpt && head.size() >= 2 * sector && head.substr(sector, 8) == gpt_magic) {
            is_gpt = true;
            found = of_gpt(head, sector, size);
        }
    if (!is_gpt) {
        if (head.size() < mbr_sector || head.substr(510, 2) != "\x55\xaa")
            return fail(Code::Corrupt, "the image has no table of partitions that makes sense");
        found = of_mbr(head, size);
    }
    if (found.empty())
        return fail(Code::NotFound, "the image is a disk without partitions that lie on it",
                    "look at it with `slipway inspect`");
    return found;
}

} // namespace slipway::loading
