// SPDX-License-Identifier: Apache-2.0
// Partition tables that libfdisk makes and reads, on a file.
#include "image/partition_table.hpp"

#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>
#include <unistd.h>

#include "sys/fd.hpp"

using slipway::image::PartitionTable;

namespace {

constexpr std::uint64_t mebibyte = 1 << 20;

class PartitionTableTest : public testing::Test {
protected:
    void SetUp() override {
        node_ = (std::filesystem::temp_directory_path() /
                 ("slipway-table-" + std::to_string(::getpid())))
                    .string();
        std::ofstream(node_).close();
        std::filesystem::resize_file(node_, 64 * mebibyte);
    }
    void TearDown() override { std::filesystem::remove(node_); }
    std::string node_;
};

TEST_F(PartitionTableTest, GptLeavesNoRoomUnused) {
    auto table = PartitionTable::create(node_, PartitionTable::Kind::Gpt);
    ASSERT_TRUE(table);
    EXPECT_EQ(table->first_usable(), 34U);
    EXPECT_EQ(table->last_usable(), 64 * mebibyte / 512 - 34);
    ASSERT_TRUE(table->add(PartitionTable::Role::Primary, 128, 4095));
    ASSERT_TRUE(table->set_name(1, "root"));
    ASSERT_TRUE(table->write());
    auto again = PartitionTable::read(node_);
    ASSERT_TRUE(again);
    auto partitions = again->partitions();
    ASSERT_EQ(partitions.size(), 1U);
    EXPECT_EQ(partitions[0].start, 128U * 512);
    EXPECT_EQ(partitions[0].name, "root");
    EXPECT_EQ(again->first_usable(), 34U);
}

TEST_F(PartitionTableTest, LogicalPartitionsAreNumberedAnewWhenOneGoes) {
    auto table = PartitionTable::create(node_, PartitionTable::Kind::Mbr);
    ASSERT_TRUE(table);
    ASSERT_TRUE(table->add(PartitionTable::Role::Extended, 2048, 100000));
    ASSERT_TRUE(table->add(PartitionTable::Role::Logical, 4096, 8191));
    ASSERT_TRUE(table->add(PartitionTable::Role::Logical, 10240, 20479));
    ASSERT_TRUE(table->remove(5));
    ASSERT_TRUE(table->write());
    auto partitions = PartitionTable::read(node_)->partitions();
    ASSERT_EQ(partitions.size(), 2U);
    EXPECT_TRUE(partitions[0].is_extended);
    EXPECT_EQ(partitions[1].number, 5U);
    EXPECT_EQ(partitions[1].start, 10240U * 512);
}

// libfdisk takes the boot sector of FAT for a table of strange partitions.
TEST_F(PartitionTableTest, NoTableIsReadFromAFatFilesystem) {
    std::string sector(512, '\0');
    sector.replace(0, 11, std::string("\xeb\x3c\x90mkfs.fat", 11));
    const unsigned char parameters[] = {0, 2, 4, 1, 0, 2, 0, 2, 0, 0x80, 0xf8, 0x20, 0};
    sector.replace(11, sizeof parameters, reinterpret_cast<const char*>(parameters),
                   sizeof parameters);
    sector.replace(38, 1, "\x29");
    sector.replace(43, 19, "NO NAME    FAT16   ");
    sector.replace(446, 4, "\x80junk", 4);
    sector[510] = '\x55';
    sector[511] = '\xaa';
    std::fstream file(node_, std::ios::in | std::ios::out | std::ios::binary);
    file.write(sector.data(), static_cast<std::streamsize>(sector.size()));
    file.write("\xf8\xff\xff\xff", 4);
    file.close();
    EXPECT_FALSE(PartitionTable::read(node_));
}

} // namespace
