// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "repair/repairs.hpp"
#include "repair_guest.hpp"

namespace slipway::repair {
namespace {

using namespace slipway::test;
using report::FstabMode;

report::Plan plan_fstab(const report::Inventory& guest, FstabMode mode = FstabMode::StabilizeAll) {
    return fstab_repair().plan(guest, {.fstab_mode = mode});
}

/// What /etc/fstab becomes in a guest with one disk.
std::string stabilised(const std::string& text) {
    auto guest = one_disk_guest();
    set_fstab(guest, text);
    return text_after(guest, plan_fstab(guest), "/etc/fstab");
}

TEST(FstabRepair, RootAndSwapBecomeUuids) {
    EXPECT_EQ(stabilised("/dev/sda1 / ext4 errors=remount-ro 0 1\n/dev/sda5 none swap sw 0 0\n"),
              std::string("UUID=") + root_uuid +
                  " / ext4 errors=remount-ro 0 1\nUUID=" + swap_uuid + " none swap sw 0 0\n");
}

TEST(FstabRepair, Trap7_LeavesStableNamesAlone) {
    const std::string text = "UUID=5d1c2b0a-7e54-4f0e-9a53-3d2f9c1b7a01 / ext4 defaults 0 1\n"
                             "LABEL=data\t/data\text4\tdefaults\t0\t2\r\n"
                             "PARTUUID=9f1d2c3b-05 none swap sw\n"
                             "PARTLABEL=home /home ext4 defaults 0 2\n"
                             "/dev/mapper/vg-lv /srv xfs defaults 0 0\n"
                             "/dev/vg0/var /var ext4 defaults 0 2\n"
                             "/dev/md0 /raid ext4 defaults 0 2\n"
                             "tank/home /tank zfs defaults 0 0\n"
                             "server:/export /nfs nfs4 _netdev 0 0\n"
                             "//nas/share /cifs cifs credentials=/root/c 0 0\n"
                             "tmpfs /tmp tmpfs size=1G 0 0\n"
                             "proc /proc proc defaults 0 0\n"
                             "overlay /o overlay lowerdir=/a,upperdir=/b,workdir=/c 0 0\n"
                             "/srv/data /mnt none bind 0 0\n"
                             "/root/disk.img /img ext4 loop 0 0\n"
                             "/swapfile none swap sw 0 0\n"
                             "/dev/cdrom /media/cdrom udf,iso9660 user,noauto 0 0\n"
                             "/dev/sr0 /media/sr0 auto noauto 0 0\n"
                             "/dev/fd0 /media/floppy auto noauto 0 0\n"
                             "/dev/disk/by-id/dm-uuid-LVM-abc / ext4 defaults 0 1";
    auto guest = one_disk_guest();
    set_fstab(guest, text);
    guest.fstab.clear(); // the root line above is about the last spelling only
    EXPECT_TRUE(plan_fstab(guest).actions.empty());
}

TEST(FstabRepair, Trap7_SecondRunIsNoOp) {
    auto guest = two_disk_guest();
    set_fstab(guest, "/dev/sda1\t/\text4\tdefaults\t0\t1\r\n/dev/sdb1 /data xfs\n.host:/ /mnt/hgfs "
                     "vmhgfs defaults 0 0\n/dev/sda5 none swap sw");
    auto once = text_after(guest, plan_fstab(guest), "/etc/fstab");
    EXPECT_NE(once, guest.files["/etc/fstab"]);
    set_fstab(guest, once);
    auto again = plan_fstab(guest);
    EXPECT_TRUE(again.actions.empty());
    EXPECT_TRUE(again.findings.empty());
}

TEST(FstabRepair, Trap7_VmhgfsIsCommentedOut) {
    auto text = stabilised(
        ".host:/\t/mnt/hgfs\tfuse.vmhgfs-fuse\tallow_other\t0\t0\n.host:/share /s vmhgfs ttl=5\n");
    EXPECT_EQ(text,
              "# disabled by slipway: .host:/\t/mnt/hgfs\tfuse.vmhgfs-fuse\tallow_other\t0\t0\n"
              "# disabled by slipway: .host:/share /s vmhgfs ttl=5\n");
}

TEST(FstabRepair, Trap7_ByPathOnOneDiskGoesByPartition) {
    auto text =
        stabilised("/dev/disk/by-path/pci-0000:03:00.0-scsi-0:0:0:0-part5 none swap sw 0 0\n");
    EXPECT_EQ(text, std::string("UUID=") + swap_uuid + " none swap sw 0 0\n");
}

TEST(FstabRepair, Trap7_ByPathOnTwoDisksIsTakenOnlyIfTheTypeDecides) {
    auto guest = two_disk_guest();
    set_fstab(guest,
              "/dev/disk/by-path/pci-0000:03:00.0-scsi-0:0:1:0-part1 /data xfs defaults 0 0\n");
    EXPECT_EQ(text_after(guest, plan_fstab(guest), "/etc/fstab"),
              std::string("UUID=") + data_uuid + " /data xfs defaults 0 0\n");
    guest.volumes[2].type = "ext4";
    set_fstab(guest,
              "/dev/disk/by-path/pci-0000:03:00.0-scsi-0:0:1:0-part1 /data ext4 defaults 0 0\n");
    auto plan = plan_fstab(guest);
    EXPECT_TRUE(plan.actions.empty());
    EXPECT_TRUE(has_finding(plan.findings, "fstab-volume-unsure"));
}

TEST(FstabRepair, Trap7_DuplicateUuidIsRefused) {
    auto guest = two_disk_guest();
    guest.volumes[2].uuid = root_uuid;
    set_fstab(guest, "/dev/sda1 / ext4 defaults 0 1\n");
    auto plan = plan_fstab(guest);
    EXPECT_TRUE(plan.actions.empty());
    ASSERT_TRUE(has_finding(plan.findings, "duplicate-uuid"));
    EXPECT_EQ(report::worst_of(plan.findings), report::Severity::Blocker);
}

TEST(FstabRepair, BtrfsOverSeveralDevicesKeepsItsUuidAndSubvolumes) {
    auto guest = two_disk_guest();
    for (auto index : {0U, 2U}) {
        guest.volumes[index].type = "btrfs";
        guest.volumes[index].uuid = root_uuid;
    }
    guest.root = "btrfs:sda1/@";
    set_fstab(
        guest,
        "/dev/sda1 / btrfs subvol=@,compress=zstd 0 0\n/dev/sda1 /home btrfs subvol=@home 0 0\n");
    EXPECT_EQ(text_after(guest, plan_fstab(guest), "/etc/fstab"),
              std::string("UUID=") + root_uuid + " / btrfs subvol=@,compress=zstd 0 0\nUUID=" +
                  root_uuid + " /home btrfs subvol=@home 0 0\n");
}

TEST(FstabRepair, SubvolumesInTheInventoryAreNoDuplicates) {
    auto guest = one_disk_guest();
    guest.volumes[0].type = "btrfs";
    auto subvolume = guest.volumes[0];
    subvolume.name = "btrfs:sda1/@";
    guest.volumes.push_back(subvolume);
    guest.root = "btrfs:sda1/@";
    set_fstab(guest, "/dev/sda1 / btrfs subvol=@ 0 0\n");
    EXPECT_EQ(plan_fstab(guest).actions.size(), 1U);
}

TEST(FstabRepair, VfatKeepsItsFormAndNoUuidFallsBackToPartition) {
    auto guest = one_disk_guest();
    guest.volumes.push_back(volume("sda", 2, "vfat", "1A2B-3C4D", "9f1d2c3b-02"));
    guest.volumes.push_back(volume("sda", 3, "", "", "9f1d2c3b-03"));
    set_fstab(guest, "/dev/sda2 /boot/efi vfat umask=0077 0 1\n/dev/sda3 /odd auto defaults 0 0\n");
    EXPECT_EQ(text_after(guest, plan_fstab(guest), "/etc/fstab"),
              "UUID=1A2B-3C4D /boot/efi vfat umask=0077 0 1\nPARTUUID=9f1d2c3b-03 /odd auto "
              "defaults 0 0\n");
}

TEST(FstabRepair, AbsentVolumeKeepsItsLineWithAFinding) {
    auto guest = one_disk_guest();
    set_fstab(guest, "/dev/sdb1 /data ext4 defaults 0 2\n/dev/sdc1 /usb ext4 noauto 0 0\n/dev/sdd1 "
                     "/x ext4 nofail 0 0\n");
    auto plan = plan_fstab(guest);
    EXPECT_TRUE(plan.actions.empty());
    ASSERT_EQ(plan.findings.size(), 3U);
    EXPECT_EQ(plan.findings[0].id, "fstab-volume-missing");
    EXPECT_EQ(plan.findings[0].where, "/etc/fstab line 1");
    EXPECT_EQ(plan.findings[0].severity, report::Severity::Blocker);
    EXPECT_EQ(plan.findings[1].severity, report::Severity::Info);
    EXPECT_EQ(plan.findings[2].severity, report::Severity::Info);
}

TEST(FstabRepair, NeverAddsNofail) {
    EXPECT_EQ(stabilised("/dev/sda1 / ext4 defaults 0 1\n").find("nofail"), std::string::npos);
}

TEST(FstabRepair, AnotherFilesystemThanTheLineSaysIsNotTaken) {
    auto guest = two_disk_guest();
    set_fstab(guest, "/dev/sdb1 /data ext4 defaults 0 2\n");
    auto plan = plan_fstab(guest);
    EXPECT_TRUE(plan.actions.empty());
    EXPECT_TRUE(has_finding(plan.findings, "fstab-volume-unsure"));
}

TEST(FstabRepair, DriversOfOneFamilyCountAsTheSame) {
    EXPECT_NE(stabilised("/dev/sda1 / ext3 defaults 0 1\n").find("UUID="), std::string::npos);
    EXPECT_NE(stabilised("/dev/sda1 / ext4,xfs defaults 0 1\n").find("UUID="), std::string::npos);
}

TEST(FstabRepair, RootLineIsTheVolumeWhereTheFileWasFound) {
    // The guest called its only disk sdb: a card reader was sda.
    auto guest = one_disk_guest();
    set_fstab(guest, "/dev/sdb1 / ext4 defaults 0 1\n/dev/sdb5 none swap sw 0 0\n");
    EXPECT_EQ(text_after(guest, plan_fstab(guest), "/etc/fstab"),
              std::string("UUID=") + root_uuid + " / ext4 defaults 0 1\nUUID=" + swap_uuid +
                  " none swap sw 0 0\n");
}

TEST(FstabRepair, OtherDisksAreUnsureWhenTheRootTellsOfAnotherOrder) {
    auto guest = two_disk_guest();
    set_fstab(guest, "/dev/sdb1 / ext4 defaults 0 1\n/dev/sda1 /data xfs defaults 0 2\n");
    auto plan = plan_fstab(guest);
    EXPECT_TRUE(has_finding(plan.findings, "fstab-volume-unsure"));
    EXPECT_EQ(text_after(guest, plan, "/etc/fstab"),
              std::string("UUID=") + root_uuid +
                  " / ext4 defaults 0 1\n/dev/sda1 /data xfs defaults 0 2\n");
}

TEST(FstabRepair, ModesDecideWhatIsTouched) {
    auto guest = one_disk_guest();
    const std::string text = "/dev/sda1 / ext4 defaults 0 1\n/dev/disk/by-id/scsi-36000c29-part5 "
                             "none swap sw 0 0\n.host:/ /h vmhgfs x 0 0\n";
    set_fstab(guest, text);
    EXPECT_TRUE(plan_fstab(guest, FstabMode::Noop).actions.empty());
    auto only = plan_fstab(guest, FstabMode::BypathOnly);
    EXPECT_EQ(text_after(guest, only, "/etc/fstab"),
              std::string("/dev/sda1 / ext4 defaults 0 1\nUUID=") + swap_uuid +
                  " none swap sw 0 0\n# disabled by slipway: .host:/ /h vmhgfs x 0 0\n");
    EXPECT_TRUE(has_finding(only.findings, "fstab-unstable-name"));
    EXPECT_EQ(plan_fstab(guest).actions.at(0).changes.size(), 3U);
}

TEST(FstabRepair, EachChangeSaysLineMountpointOldAndNew) {
    auto guest = one_disk_guest();
    set_fstab(guest, "# head\n/dev/sda1 / ext4 defaults 0 1\n");
    auto plan = plan_fstab(guest);
    ASSERT_EQ(plan.actions.size(), 1U);
    const auto& change = plan.actions[0].changes.at(0);
    EXPECT_EQ(change.line_no, 2);
    EXPECT_EQ(change.what, "/");
    EXPECT_EQ(change.old_text, "/dev/sda1");
    EXPECT_EQ(change.new_text, std::string("UUID=") + root_uuid);
    EXPECT_FALSE(change.reason.empty());
    EXPECT_TRUE(plan.actions[0].keep_backup);
}

TEST(FstabRepair, DetectsYesUnsureAndNo) {
    auto guest = one_disk_guest();
    EXPECT_EQ(fstab_repair().detect(guest).verdict, Verdict::No);
    set_fstab(guest, "/dev/sda1 / ext4 defaults 0 1\n");
    EXPECT_EQ(fstab_repair().detect(guest).verdict, Verdict::Yes);
    set_fstab(guest, "/dev/sdq9 /x ext4 defaults 0 1\n");
    EXPECT_EQ(fstab_repair().detect(guest).verdict, Verdict::Unsure);
}

TEST(FstabRepair, LvmMemberIsNoFilesystem) {
    auto guest = one_disk_guest();
    guest.volumes.push_back(volume("sda", 2, "LVM2_member", "pv-uuid"));
    set_fstab(guest, "/dev/sda2 /data auto defaults 0 1\n");
    EXPECT_TRUE(plan_fstab(guest).actions.empty());
}

} // namespace
} // namespace slipway::repair
