// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "repair/repairs.hpp"
#include "repair_guest.hpp"

namespace slipway::repair {
namespace {

using namespace slipway::test;

report::Inventory encrypted_guest(const std::string& crypttab) {
    auto guest = one_disk_guest();
    guest.volumes = {volume("sda", 1, "ext4", root_uuid, "9f-01"),
                     volume("sda", 2, "crypto_LUKS", data_uuid, "9f-02"),
                     volume("sda", 5, "swap", swap_uuid, "9f-05")};
    guest.root.clear();
    guest.files["/etc/crypttab"] = crypttab;
    return guest;
}

std::string repaired(const report::Inventory& guest) {
    return text_after(guest, crypttab_repair().plan(guest, {}), "/etc/crypttab");
}

TEST(CrypttabRepair, LuksBecomesItsHeadersUuid) {
    EXPECT_EQ(repaired(encrypted_guest("# <name> <device>\ndata\t/dev/sda2\tnone\tluks,discard\n")),
              std::string("# <name> <device>\ndata\tUUID=") + data_uuid + "\tnone\tluks,discard\n");
}

TEST(CrypttabRepair, SwapWithARandomKeyBecomesItsPartition) {
    EXPECT_EQ(
        repaired(encrypted_guest("swap /dev/sda5 /dev/urandom swap,cipher=aes-xts-plain64\n")),
        "swap PARTUUID=9f-05 /dev/urandom swap,cipher=aes-xts-plain64\n");
}

TEST(CrypttabRepair, Trap8_DebianRootGetsTheInitramfsOption) {
    auto guest = encrypted_guest("sda2_crypt /dev/sda2 none luks\nother UUID=1 none luks\n");
    set_fstab(guest, "/dev/mapper/sda2_crypt / ext4 defaults 0 1\n");
    EXPECT_EQ(repaired(guest), std::string("sda2_crypt UUID=") + data_uuid +
                                   " none luks,initramfs\nother UUID=1 none luks\n");
}

TEST(CrypttabRepair, Trap8_OptionIsAddedToShortLinesAndOnce) {
    auto guest = encrypted_guest("crypt UUID=1\n");
    set_fstab(guest, "/dev/mapper/crypt / ext4 defaults 0 1\n");
    auto once = repaired(guest);
    EXPECT_EQ(once, "crypt UUID=1 none luks,initramfs\n");
    guest.files["/etc/crypttab"] = once;
    EXPECT_TRUE(crypttab_repair().plan(guest, {}).actions.empty());
}

TEST(CrypttabRepair, Trap8_RootOnLvmInsideLuksGetsTheOption) {
    auto guest = encrypted_guest("pv_crypt UUID=1 none luks\nswap /dev/sda5 /dev/urandom swap\n");
    set_fstab(guest, "/dev/mapper/vg-root / ext4 defaults 0 1\n");
    EXPECT_EQ(repaired(guest),
              "pv_crypt UUID=1 none luks,initramfs\nswap PARTUUID=9f-05 /dev/urandom swap\n");
}

TEST(CrypttabRepair, OtherGeneratorsNeedNoOption) {
    auto guest = encrypted_guest("luks-1 UUID=1 none discard\n");
    guest.initramfs_generator = "dracut";
    set_fstab(guest, "/dev/mapper/luks-1 / ext4 defaults 0 1\n");
    EXPECT_TRUE(crypttab_repair().plan(guest, {}).actions.empty());
}

TEST(CrypttabRepair, AbsentDeviceKeepsItsLineWithAFinding) {
    auto guest = encrypted_guest("data /dev/sdz1 none luks\n");
    auto plan = crypttab_repair().plan(guest, {});
    EXPECT_TRUE(plan.actions.empty());
    EXPECT_TRUE(has_finding(plan.findings, "crypttab-volume-unsure"));
}

TEST(CrypttabRepair, KeepsSpacingCommentsAndCrlf) {
    EXPECT_EQ(repaired(encrypted_guest("  data   /dev/sda2\t none  luks\r\n\r\n#x /dev/sda2\r\n")),
              std::string("  data   UUID=") + data_uuid + "\t none  luks\r\n\r\n#x /dev/sda2\r\n");
}

} // namespace
} // namespace slipway::repair
