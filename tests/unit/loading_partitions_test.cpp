// SPDX-License-Identifier: Apache-2.0
#include "loading/partitions.hpp"

#include <gmock/gmock.h>

namespace slipway::loading {
namespace {

using testing::ElementsAre;

constexpr std::uint64_t disk = 1 << 20;

std::string number(std::uint64_t value, std::size_t bytes) {
    std::string text;
    for (std::size_t at = 0; at < bytes; ++at)
        text += static_cast<char>(value >> (8 * at));
    return text;
}

struct Head {
    std::string bytes = std::string(66 << 10, '\0');
    void put(std::size_t at, const std::string& text) { bytes.replace(at, text.size(), text); }
    void mbr(unsigned row, unsigned type, std::uint64_t first, std::uint64_t count) {
        put(510, "\x55\xaa");
        put(446 + 16 * row + 4, number(type, 1));
        put(446 + 16 * row + 8, number(first, 4) + number(count, 4));
    }
    void gpt(std::size_t sector, std::uint64_t entries, std::uint64_t size,
             std::uint64_t table = 2) {
        put(sector, "EFI PART");
        put(sector + 72, number(table, 8) + number(entries, 4) + number(size, 4));
    }
    void entry(std::size_t at, std::uint64_t first, std::uint64_t last) {
        put(at, std::string(16, 'x'));
        put(at + 32, number(first, 8) + number(last, 8));
    }
    [[nodiscard]] Result<std::vector<Partition>> read() const { return partitions_of(bytes, disk); }
};

TEST(Partitions, OfAnMbr) {
    Head head;
    head.mbr(0, 0x83, 64, 100);
    head.mbr(1, 0x05, 200, 100);  // extended
    head.mbr(2, 0x83, 300, 4000); // beyond the end
    head.mbr(3, 0x83, 400, 10);
    EXPECT_THAT(*head.read(), ElementsAre(Partition{32768, 51200}, Partition{204800, 5120}));
}

TEST(Partitions, OfGpt) {
    Head head;
    head.mbr(0, 0xee, 1, 2047);
    head.gpt(512, 128, 128);
    head.entry(1024, 34, 33); // ends before it begins
    head.entry(1024 + 256, 64, 127);
    head.entry(1024 + 384, 128, ~std::uint64_t{0});
    EXPECT_THAT(*head.read(), ElementsAre(Partition{32768, 32768}));
}

TEST(Partitions, OfGptWithLargeSectors) {
    Head head;
    head.gpt(4096, 4, 256);
    head.entry(8192 + 256, 16, 31);
    EXPECT_THAT(*head.read(), ElementsAre(Partition{65536, 65536}));
}

TEST(Partitions, WhatMakesNoSense) {
    Head head;
    EXPECT_EQ(head.read().error().code, Code::Corrupt);
    EXPECT_EQ(partitions_of("", 0).error().code, Code::Corrupt);
    EXPECT_EQ(partitions_of(std::string(512, 'E'), 512).error().code, Code::Corrupt);
    head.mbr(0, 0xee, 1, 2047);
    EXPECT_EQ(head.read().error().code, Code::NotFound);
    for (auto table : {std::uint64_t{129}, ~std::uint64_t{0}, ~std::uint64_t{0} / 512}) {
        head.gpt(512, 0xffffffff, 128, table);
        EXPECT_EQ(head.read().error().code, Code::NotFound) << table;
    }
    head.gpt(512, 128, 0);
    EXPECT_EQ(head.read().error().code, Code::NotFound);
    head.gpt(512, 128, 0xffffffff);
    EXPECT_EQ(head.read().error().code, Code::NotFound);
}

} // namespace
} // namespace slipway::loading
