// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "repair/initramfs_files.hpp"
#include "repair/repairs.hpp"
#include "repair_guest.hpp"

namespace slipway::repair {
namespace {

using namespace slipway::test;

constexpr const char* path = "/etc/mdadm/mdadm.conf";

std::string repaired(const std::string& text) {
    auto guest = one_disk_guest();
    guest.files[path] = text;
    return text_after(guest, mdadm_config_repair().plan(guest, {}), path);
}

TEST(MdadmConfigRepair, ArraysAreMadeFromAnyPartition) {
    EXPECT_EQ(repaired("# mine\nDEVICE /dev/sda2 /dev/sda3\nMAILADDR root\n"),
              "# mine\nDEVICE partitions\nMAILADDR root\n");
    EXPECT_EQ(repaired("dev /dev/sd[ab]1 /dev/loop7\n\t/dev/sdc1 # the third\n"),
              "dev partitions /dev/loop7\n # the third\n");
}

TEST(MdadmConfigRepair, AnArrayWithAUuidNeedsNoNamesOfMembers) {
    EXPECT_EQ(repaired("ARRAY /dev/md0 level=raid1 UUID=1:2:3:4\n   devices=/dev/sda2,/dev/sda3\n"),
              "ARRAY /dev/md0 level=raid1 UUID=1:2:3:4\n");
    EXPECT_EQ(repaired("ARRAY /dev/md0 Devices=/dev/sda2 name=a:0"), "ARRAY /dev/md0 name=a:0");
}

TEST(MdadmConfigRepair, AnArrayKnownByItsMembersAloneIsLeftAndTold) {
    auto guest = one_disk_guest();
    guest.files[path] = "ARRAY /dev/md0 devices=/dev/sda2,/dev/sda3\n";
    auto plan = mdadm_config_repair().plan(guest, {});
    EXPECT_TRUE(plan.actions.empty());
    EXPECT_TRUE(has_finding(plan.findings, "mdadm-array-unsure"));
}

TEST(MdadmConfigRepair, WhatSurvivesTheMoveStays) {
    for (const auto* text : {"DEVICE partitions containers\n", "DEVICE /dev/sda2 partitions\n",
                             "DEVICE /dev/disk/by-id/dm-uuid-1\n", "#DEVICE /dev/sda2\n",
                             "ARRAY /dev/md/0 metadata=1.2 UUID=1:2:3:4 name=a:0\n",
                             "CREATE owner=root mode=0660\n", "", " /dev/sda1\n"})
        EXPECT_EQ(repaired(text), text);
}

TEST(MdadmConfigRepair, CopiesInsideOfTheInitramfsAreCorrectedToo) {
    auto guest = one_disk_guest();
    guest.volumes.push_back(volume("sda", 2, "crypto_LUKS", data_uuid, "9f-02"));
    auto kernel = kernel_with_virtio("6.1.0-1-amd64");
    kernel.initramfs_files = {{"etc/mdadm/mdadm.conf", "DEVICE /dev/sda2\n"},
                              {"cryptroot/crypttab", "clear /dev/sda2 none luks\n"}};
    guest.kernels = {kernel};
    EXPECT_TRUE(has_finding(judge_kernels(guest), "mdadm-unstable-name"));
    EXPECT_TRUE(has_finding(judge_kernels(guest), "crypttab-unstable-name"));
    auto plan = initramfs_repair().plan(guest, {});
    ASSERT_EQ(plan.actions.size(), 1U);
    EXPECT_EQ(plan.actions[0].files["etc/mdadm/mdadm.conf"], "DEVICE partitions\n");
    EXPECT_EQ(plan.actions[0].files["cryptroot/crypttab"],
              std::string("clear UUID=") + data_uuid + " none luks\n");
}

} // namespace
} // namespace slipway::repair
