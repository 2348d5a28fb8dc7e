// SPDX-License-Identifier: Apache-2.0
#include "mount/resolve.hpp"

#include <vector>

#include <gtest/gtest.h>

namespace slipway::mount {
namespace {

using report::Volume;

std::vector<Volume> two_disks() {
    return {
        {.name = "sda1",
         .disk = "sda",
         .partition = 1,
         .type = "vfat",
         .label = "EFI",
         .uuid = "1A2B-3C4D",
         .partuuid = "aaaa-01"},
        {.name = "sda2",
         .disk = "sda",
         .partition = 2,
         .type = "ext4",
         .label = "my root",
         .uuid = "5119a000-0000-4000-8000-000000000001",
         .partlabel = "Linux root"},
        {.name = "sda3",
         .disk = "sda",
         .partition = 3,
         .type = "swap",
         .uuid = "5119a000-0000-4000-8000-000000000002"},
        {.name = "sdb1",
         .disk = "sdb",
         .partition = 1,
         .type = "xfs",
         .uuid = "5119a000-0000-4000-8000-000000000003"},
        {.name = "vg-a/lv",
         .disk = "",
         .type = "ext4",
         .uuid = "5119a000-0000-4000-8000-000000000004"},
    };
}

std::string name_of(std::string_view spec, std::string_view type = "") {
    auto volumes = two_disks();
    auto found = resolve_device(spec, type, volumes);
    return found.volume == nullptr ? "" : found.volume->name;
}

TEST(ResolveDevice, TagsWithAndWithoutQuotesInAnyCase) {
    EXPECT_EQ(name_of("UUID=5119a000-0000-4000-8000-000000000001"), "sda2");
    EXPECT_EQ(name_of("UUID=\"5119A000-0000-4000-8000-000000000001\""), "sda2");
    EXPECT_EQ(name_of("UUID=1a2b-3c4d"), "sda1");
    EXPECT_EQ(name_of("LABEL='my root'"), "sda2");
    EXPECT_EQ(name_of("LABEL=MY ROOT"), "");
    EXPECT_EQ(name_of("PARTUUID=AAAA-01"), "sda1");
    EXPECT_EQ(name_of("PARTLABEL=Linux root"), "sda2");
}

TEST(ResolveDevice, UdevLinksWithEscapes) {
    EXPECT_EQ(name_of("/dev/disk/by-label/my\\x20root"), "sda2");
    EXPECT_EQ(name_of("/dev/disk/by-uuid/1A2B-3C4D"), "sda1");
    EXPECT_EQ(name_of("/dev/disk/by-partlabel/Linux\\x20root"), "sda2");
    EXPECT_EQ(name_of("/dev/disk/by-label/ends-in\\x2"), "");
}

TEST(ResolveDevice, NamesByPosition) {
    EXPECT_EQ(name_of("/dev/sda2"), "sda2");
    EXPECT_EQ(name_of("/dev/vdb1"), "sdb1");
    EXPECT_EQ(name_of("/dev/nvme0n1p3"), "sda3");
    EXPECT_EQ(name_of("/dev/sdc1"), "");
    EXPECT_TRUE(resolve_device("/dev/sdc1", "", {}).is_device);
}

TEST(ResolveDevice, Trap6_MapperNamesOfVolumesWithHyphens) {
    EXPECT_EQ(volume_of_mapper_name("a--b-c--d"), "a-b/c-d");
    EXPECT_EQ(volume_of_mapper_name("vg-lv"), "vg/lv");
    EXPECT_EQ(volume_of_mapper_name("nohyphen"), "");
    EXPECT_EQ(volume_of_mapper_name("a-b-c"), "");
    EXPECT_EQ(name_of("/dev/mapper/vg--a-lv"), "vg-a/lv");
    EXPECT_EQ(name_of("/dev/vg-a/lv"), "vg-a/lv");
}

TEST(ResolveDevice, DatasetsOfPoolsThatAreOpen) {
    const std::vector<Volume> volumes{
        {.name = "rpool/ROOT/debian", .disk = "", .type = "zfs", .kind = "zfs"},
        {.name = "vg/lv", .disk = "", .type = "ext4", .kind = "lvm"}};
    for (const auto* spec : {"ZFS=rpool/ROOT/debian", "zfs:rpool/ROOT/debian"})
        EXPECT_EQ(resolve_device(spec, "", volumes).volume, volumes.data()) << spec;
    EXPECT_EQ(resolve_device("rpool/ROOT/debian", "zfs", volumes).volume, volumes.data());
    EXPECT_TRUE(resolve_device("rpool/ROOT/debian", "zfs", volumes).is_device);
    // No line of a pool that is not here is told to name a missing disk.
    EXPECT_FALSE(resolve_device("rpool/ROOT/debian", "", volumes).is_device);
    EXPECT_FALSE(resolve_device("tank/home", "zfs", volumes).is_device);
    EXPECT_FALSE(resolve_device("vg/lv", "zfs", volumes).is_device);
}

TEST(ResolveDevice, HardwareLinksOnlyWhereOneVolumeFits) {
    EXPECT_EQ(name_of("/dev/disk/by-path/pci-0000:03:00.0-scsi-0:0:0:0-part2"), "sda2");
    EXPECT_EQ(name_of("/dev/disk/by-id/scsi-36000c29d-part1"), "");
    EXPECT_EQ(name_of("/dev/disk/by-id/scsi-36000c29d-part1", "xfs"), "sdb1");
    auto volumes = two_disks();
    EXPECT_TRUE(resolve_device("/dev/disk/by-id/scsi-36000c29d-part1", "", volumes).ambiguous);
}

TEST(ResolveDevice, Trap7_WhatIsNoLocalDevice) {
    auto volumes = two_disks();
    for (const auto* spec : {"server:/export", "//server/share", "tmpfs", "none", "proc",
                             "/swapfile", ".host:/", "tank/home"})
        EXPECT_FALSE(resolve_device(spec, "", volumes).is_device) << spec;
    for (const auto* spec : {"/dev/sr0", "/dev/cdrom", "/dev/fd0"})
        EXPECT_TRUE(resolve_device(spec, "", volumes).removable) << spec;
}

TEST(ResolveDevice, Trap7_DuplicateUuidIsAmbiguousButAPoolOfDevicesIsNot) {
    std::vector<Volume> clones{{.name = "sda1", .type = "ext4", .uuid = "u"},
                               {.name = "sdb1", .type = "ext4", .uuid = "u"}};
    EXPECT_TRUE(resolve_device("UUID=u", "", clones).ambiguous);
    for (auto& clone : clones)
        clone.type = "btrfs";
    EXPECT_FALSE(resolve_device("UUID=u", "", clones).ambiguous);
    EXPECT_EQ(resolve_device("UUID=u", "", clones).volume->name, "sda1");
}

TEST(GuestDevices, CountDisksAsTheGuestDoes) {
    auto volumes = two_disks();
    // The guest calls the disk sdc, of which it alone was given as sda.
    GuestDevices devices(volumes, &volumes[1], "/dev/sdc2");
    EXPECT_EQ(devices.resolve("/dev/sdc3", "swap").volume->name, "sda3");
    EXPECT_EQ(devices.resolve("/dev/sdb1", "").volume->name, "sdb1");
    auto unknown = devices.resolve("/dev/sda1", "");
    EXPECT_EQ(unknown.volume, nullptr);
    EXPECT_TRUE(unknown.ambiguous);
    EXPECT_EQ(devices.resolve("UUID=1A2B-3C4D", "").volume->name, "sda1");
}

TEST(GuestDevices, GoByOurOrderWhereTheRootSaysNothing) {
    auto volumes = two_disks();
    for (const auto* root :
         {"UUID=5119a000-0000-4000-8000-000000000001", "/dev/sda2", "/dev/sdb1", ""})
        EXPECT_EQ(GuestDevices(volumes, &volumes[1], root).resolve("/dev/sda3", "").volume->name,
                  "sda3")
            << root;
}

TEST(Resolve, ArraysAndMappingsOfLuks) {
    std::vector<Volume> volumes = {
        {.name = "sda1", .disk = "sda", .partition = 1, .type = "linux_raid_member"},
        {.name = "sda2", .disk = "sda", .partition = 2, .type = "crypto_LUKS"},
        {.name = "md:0", .type = "ext4", .kind = "md", .stands_on = {"sda1"}},
        {.name = "luks:sda2", .type = "xfs", .kind = "luks", .stands_on = {"sda2"}}};
    auto name_of = [&](std::string_view spec) {
        auto found = resolve_device(spec, "", volumes);
        return found.volume == nullptr ? std::string() : found.volume->name;
    };
    EXPECT_EQ(name_of("/dev/md0"), "md:0");
    EXPECT_EQ(name_of("/dev/md/0"), "md:0");
    EXPECT_EQ(name_of("/dev/md127"), "md:0"); // the only one
    EXPECT_EQ(name_of("/dev/mapper/sda2_crypt"), "luks:sda2");
    EXPECT_EQ(name_of("/dev/mapper/vg-lv"), "");

    volumes.push_back({.name = "md:data", .type = "ext4", .kind = "md"});
    volumes.push_back({.name = "luks:sda9", .type = "ext4", .kind = "luks"});
    EXPECT_EQ(name_of("/dev/md0"), "md:0");
    EXPECT_EQ(name_of("/dev/md/data"), "md:data");
    EXPECT_TRUE(resolve_device("/dev/md127", "", volumes).ambiguous);
    EXPECT_TRUE(resolve_device("/dev/mapper/sda2_crypt", "", volumes).ambiguous);

    // What the guest itself mounts at / is the root that was found.
    GuestDevices devices(volumes, &volumes[3], "/dev/mapper/sda2_crypt");
    EXPECT_EQ(devices.resolve("/dev/mapper/sda2_crypt", "").volume, &volumes[3]);
    EXPECT_EQ(devices.resolve("/dev/mapper/home_crypt", "").volume, nullptr);

    // A volume group on an array is no filesystem that a line could mean.
    volumes = {{.name = "md:a", .type = "LVM2_member", .kind = "md"},
               {.name = "vg/lv", .type = "ext4", .kind = "lvm", .stands_on = {"md:a"}},
               {.name = "md:b", .type = "ext4", .kind = "md"}};
    EXPECT_EQ(name_of("/dev/md1"), "md:b");
}

} // namespace
} // namespace slipway::mount
