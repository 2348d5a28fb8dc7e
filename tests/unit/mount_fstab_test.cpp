// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "mount/fstab.hpp"

namespace slipway::mount {
namespace {

TEST(Fstab, Trap7_KeepsEveryByteOfWhatItDoesNotChange) {
    for (const std::string text :
         {"", "\n", "# comment\n\n", "/dev/sda1\t/\text4\terrors=remount-ro 0\t1\n",
          "UUID=a / ext4 defaults 0 1", "/dev/sda1 / ext4 defaults 0 1\r\n# end\r\n",
          "  /dev/sda1   /mnt/my\\040disk ext4\n", "garbage\n\t\n", "a b\rc d\n"})
        EXPECT_EQ(Fstab::parse(text).render(), text);
}

TEST(Fstab, Trap7_ReadsTabsEscapesAndFourFields) {
    auto fstab = Fstab::parse("/dev/sda1\t/mnt/my\\040disk\text4\tro,noatime\n");
    ASSERT_EQ(fstab.lines().size(), 1U);
    EXPECT_EQ(fstab.lines()[0].spec, "/dev/sda1");
    EXPECT_EQ(fstab.lines()[0].mountpoint, "/mnt/my disk");
    EXPECT_EQ(fstab.lines()[0].options, "ro,noatime");
}

TEST(Fstab, Trap7_LineWithoutOptionsCounts) {
    auto fstab = Fstab::parse("/dev/sda1 / ext4\n");
    ASSERT_EQ(fstab.lines().size(), 1U);
    EXPECT_EQ(fstab.lines()[0].options, "");
}

TEST(Fstab, Trap7_CarriageReturnIsNoPartOfTheLastField) {
    auto fstab = Fstab::parse("/dev/sda2 none swap sw\r\n");
    ASSERT_EQ(fstab.lines().size(), 1U);
    EXPECT_EQ(fstab.lines()[0].options, "sw");
    fstab.set_spec(1, "UUID=x");
    EXPECT_EQ(fstab.render(), "UUID=x none swap sw\r\n");
}

TEST(Fstab, Trap7_SetSpecKeepsSpacingAndTheRest) {
    auto fstab = Fstab::parse("# top\n  /dev/sda1   /\t\text4 defaults 0 1 # odd\n");
    fstab.set_spec(2, "UUID=x");
    EXPECT_EQ(fstab.render(), "# top\n  UUID=x   /\t\text4 defaults 0 1 # odd\n");
}

TEST(Fstab, SetSpecEscapesBlanks) {
    auto fstab = Fstab::parse("/dev/sda1 / ext4");
    fstab.set_spec(1, "LABEL=my disk");
    EXPECT_EQ(fstab.render(), "LABEL=my\\040disk / ext4");
    EXPECT_EQ(Fstab::parse(fstab.render()).lines()[0].spec, "LABEL=my disk");
}

TEST(Fstab, OtherControlCharactersDoNotPartFields) {
    auto fstab = Fstab::parse("/dev/sda1\v/x / ext4 defaults\n");
    ASSERT_EQ(fstab.lines().size(), 1U);
    EXPECT_EQ(fstab.lines()[0].spec, "/dev/sda1\v/x");
}

TEST(Fstab, CommentsOutAndForgetsTheLine) {
    auto fstab = Fstab::parse(".host:/ /mnt/hgfs fuse.vmhgfs-fuse defaults 0 0\n");
    fstab.comment_out(1, "gone");
    EXPECT_EQ(fstab.render(), "# gone: .host:/ /mnt/hgfs fuse.vmhgfs-fuse defaults 0 0\n");
    EXPECT_TRUE(fstab.lines().empty());
}

TEST(Fstab, NamesMalformedLines) {
    auto fstab = Fstab::parse("one two\n/dev/sda1 / ext4\n");
    EXPECT_EQ(fstab.malformed(), std::vector<int>{1});
}

TEST(DeviceName, ReadsDiskAndPartition) {
    struct Case {
        std::string_view name;
        unsigned disk, partition;
    };
    for (const auto& each :
         {Case{"/dev/sda", 0, 0}, Case{"/dev/sda2", 0, 2}, Case{"/dev/sdb10", 1, 10},
          Case{"/dev/sdaa1", 26, 1}, Case{"/dev/hdc1", 2, 1}, Case{"/dev/xvda1", 0, 1},
          Case{"/dev/vdb3", 1, 3}, Case{"/dev/nvme0n1p2", 0, 2}, Case{"/dev/nvme1n1", 1, 0},
          Case{"/dev/mmcblk0p1", 0, 1}, Case{"/dev/cciss/c0d1p3", 1, 3}}) {
        auto place = parse_device_name(each.name);
        ASSERT_TRUE(place) << each.name;
        EXPECT_EQ(place->disk, each.disk) << each.name;
        EXPECT_EQ(place->partition, each.partition) << each.name;
    }
}

TEST(DeviceName, OtherNamesAreNone) {
    for (std::string_view name :
         {"", "/dev/", "/dev/sr0", "/dev/cdrom", "/dev/fd0", "/dev/mapper/sda1",
          "/dev/sda-data/root", "sda1", "/dev/sda0", "/dev/sda999999999999999999999",
          "/dev/nvme0n1p99999999999", "/dev/md0", "/dev/vgdata/lv", "UUID=abc",
          "/dev/disk/by-uuid/abc"})
        EXPECT_FALSE(parse_device_name(name)) << name;
}

TEST(DeviceName, BusDependent) {
    EXPECT_TRUE(is_bus_dependent("/dev/disk/by-path/pci-0000:03:00.0-scsi-0:0:0:0-part1"));
    EXPECT_TRUE(is_bus_dependent("/dev/disk/by-id/scsi-36000c29aa-part1"));
    EXPECT_TRUE(is_bus_dependent("/dev/disk/by-id/wwn-0x6000c29aa-part1"));
    for (std::string_view stable :
         {"/dev/disk/by-id/dm-uuid-LVM-abc", "/dev/disk/by-id/md-uuid-1:2",
          "/dev/disk/by-id/lvm-pv-uuid-x", "/dev/disk/by-label/root", "/dev/mapper/vg-root",
          "UUID=1", "tmpfs", "host:/export"})
        EXPECT_FALSE(is_bus_dependent(stable)) << stable;
}

} // namespace
} // namespace slipway::mount
