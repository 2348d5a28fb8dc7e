// SPDX-License-Identifier: Apache-2.0
#include "mount/volumes.hpp"

#include <gtest/gtest.h>

#include "mount/fstab_options.hpp"
#include "mount/ladder.hpp"

namespace slipway::mount {
namespace {

Volumes some_volumes() {
    return {{{.name = "sda1", .type = "ext4"}, "/dev/vda1"},
            {{.name = "sda2", .type = "btrfs"}, "/dev/vda2"},
            {{.name = "vg/lv", .type = "btrfs"}, ""}};
}

TEST(RootName, VolumesAndSubvolumes) {
    auto volumes = some_volumes();
    EXPECT_EQ(parse_root_name("sda1", volumes)->volume, "sda1");
    auto subvolume = parse_root_name("btrfs:sda2/@/.snapshots/1/snapshot", volumes);
    ASSERT_TRUE(subvolume);
    EXPECT_EQ(subvolume->volume, "sda2");
    EXPECT_EQ(subvolume->subvolume, "@/.snapshots/1/snapshot");
    EXPECT_EQ(parse_root_name("btrfs:vg/lv/@", volumes)->volume, "vg/lv");
    EXPECT_EQ(render_root_name(*subvolume), "btrfs:sda2/@/.snapshots/1/snapshot");
    EXPECT_EQ(render_root_name({.volume = "sda1"}), "sda1");
}

TEST(RootName, UnknownOnesListWhatThereIs) {
    auto unknown = parse_root_name("sdz9", some_volumes());
    ASSERT_FALSE(unknown);
    EXPECT_EQ(unknown.error().code, Code::NotFound);
    EXPECT_NE(unknown.error().hint.find("sda1, sda2, vg/lv"), std::string::npos);
    EXPECT_FALSE(parse_root_name("btrfs:sda2/", some_volumes()));
    EXPECT_FALSE(parse_root_name("btrfs:sda22/@", some_volumes()));
}

TEST(RootName, Trap10_SubvolumesThatCouldBecomeMountOptions) {
    for (const auto* name :
         {"btrfs:sda2/@,device=/dev/sda", "btrfs:sda2/@/../..", "btrfs:sda2/@\nx"}) {
        auto parsed = parse_root_name(name, some_volumes());
        ASSERT_FALSE(parsed) << name;
        EXPECT_EQ(parsed.error().code, Code::InvalidArgument) << name;
    }
}

TEST(FstabOptions, ChooseWhatIsSeen) {
    auto options = parse_fstab_options("defaults,noatime,subvol=/@home,compress=zstd:3", "btrfs");
    EXPECT_EQ(options.subvolume, "@home");
    EXPECT_EQ(options.extra, std::vector<std::string>{"compress=zstd:3"});
    EXPECT_EQ(parse_fstab_options("subvolid=257", "btrfs").subvolume_id, "257");
    EXPECT_TRUE(parse_fstab_options("subvol=@home", "ext4").subvolume.empty());
    EXPECT_FALSE(parse_fstab_options("noauto,nofail", "ext4").automatic);
    EXPECT_TRUE(parse_fstab_options("noauto,nofail", "ext4").optional);
    EXPECT_TRUE(parse_fstab_options("rbind", "").bind);
}

TEST(FstabOptions, Trap10_WhatCouldHurtTheHostIsDropped) {
    auto options = parse_fstab_options(
        "device=/dev/sda,errors=panic,loop,subvol=../x,subvolid=1x,compress=a;b,"
        "usrquota,logdev=/dev/sdb,rescue=all,fatal_errors=panic",
        "btrfs");
    EXPECT_TRUE(options.subvolume.empty());
    EXPECT_TRUE(options.subvolume_id.empty());
    EXPECT_TRUE(options.extra.empty());
}

TEST(MountTypes, OnlyThoseThatWeKnow) {
    EXPECT_TRUE(is_mountable_type("ext4"));
    EXPECT_TRUE(is_mountable_type("vfat"));
    for (const auto* type :
         {"", "swap", "crypto_LUKS", "LVM2_member", "nfs", "overlay", "fuseblk", "tmpfs"})
        EXPECT_FALSE(is_mountable_type(type)) << type;
    EXPECT_EQ(container_of_type("LVM2_member"), "LVM");
    EXPECT_EQ(container_of_type("crypto_LUKS"), "LUKS");
    EXPECT_EQ(container_of_type("linux_raid_member"), "MD");
    EXPECT_EQ(container_of_type("ext4"), "");
}

TEST(SiblingNodes, AreTheOtherDevicesOfOneBtrfs) {
    Volumes volumes{{{.name = "sda1", .type = "btrfs", .uuid = "u"}, "/dev/vda1"},
                    {{.name = "sdb1", .type = "btrfs", .uuid = "u"}, "/dev/vdb1"},
                    {{.name = "sdc1", .type = "ext4", .uuid = "v"}, "/dev/vdc1"}};
    EXPECT_EQ(sibling_nodes(volumes[0], volumes), std::vector<std::string>{"/dev/vdb1"});
    EXPECT_TRUE(sibling_nodes(volumes[2], volumes).empty());
}

} // namespace
} // namespace slipway::mount
