// SPDX-License-Identifier: Apache-2.0
#include "guest/inspect.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "support/guest_tree.hpp"

namespace slipway::guest {
namespace {

using report::Inventory;
using report::Severity;
using report::Volume;
using testing::HasSubstr;
using testing_support::GuestTree;

constexpr const char* root_uuid = "5119a000-0000-4000-8000-000000000001";

mount::Volumes one_disk() {
    return {
        {{.name = "sda1", .disk = "sda", .partition = 1, .type = "ext4", .uuid = root_uuid}, ""},
        {{.name = "sda2",
          .disk = "sda",
          .partition = 2,
          .type = "swap",
          .uuid = "5119a000-0000-4000-8000-000000000002"},
         ""}};
}

/// A healthy Debian on one disk.
class Inspect : public testing::Test {
protected:
    Inspect() {
        tree_.file("/etc/os-release",
                   "ID=debian\nPRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\nVERSION_ID=12\n");
        tree_.file("/boot/vmlinuz-6.1.0-18-amd64")
            .file("/boot/initrd.img-6.1.0-18-amd64")
            .dir("/lib/modules/6.1.0-18-amd64");
        tree_.file("/boot/grub/grub.cfg",
                   std::string("linux /boot/vmlinuz-6.1.0-18-amd64 root=UUID=") + root_uuid +
                       " ro\n");
        tree_.file("/etc/fstab", std::string("UUID=") + root_uuid + " / ext4 defaults 0 1\n")
            .dir("/usr")
            .file("/sbin/init");
    }

    [[nodiscard]] Inventory inspect_tree() {
        auto root = tree_.root();
        auto inventory = inspect({.root = root,
                                  .disks = {{{.name = "sda"}, ""}},
                                  .volumes = volumes_,
                                  .root_name = "sda1",
                                  .mountpoints = {{"/", "sda1"}}});
        EXPECT_TRUE(inventory);
        return inventory ? *inventory : Inventory{};
    }
    /// The one finding with this id, or an empty one.
    [[nodiscard]] static report::Finding finding(const Inventory& inventory, std::string_view id) {
        report::Finding found;
        for (const auto& each : inventory.findings)
            if (each.id == id) {
                EXPECT_TRUE(found.id.empty()) << id << " stands twice";
                found = each;
            }
        return found;
    }

    GuestTree tree_;
    mount::Volumes volumes_ = one_disk();
};

TEST_F(Inspect, HealthyGuestHasNoFindings) {
    auto inventory = inspect_tree();
    EXPECT_EQ(inventory.root, "sda1");
    EXPECT_EQ(inventory.os.product, "Debian GNU/Linux 12 (bookworm)");
    ASSERT_EQ(inventory.fstab.size(), 1U);
    EXPECT_EQ(inventory.fstab[0].volume, "sda1");
    EXPECT_FALSE(inventory.fstab[0].unstable);
    ASSERT_EQ(inventory.kernels.size(), 1U);
    EXPECT_GT(inventory.volumes[0].used.value_or(0), 0U);
    EXPECT_FALSE(inventory.volumes[1].used);
    ASSERT_NE(inventory.file("/etc/fstab"), nullptr);
    EXPECT_NE(inventory.file("/boot/grub/grub.cfg"), nullptr);
    for (const auto& each : inventory.findings)
        ADD_FAILURE() << render_text(each);
}

TEST_F(Inspect, NamesByBusPositionAreFindings) {
    tree_.file("/etc/fstab",
               "# comment\n/dev/sda1 / ext4 defaults 0 1\n/dev/sda2 none swap sw 0 0\n");
    tree_.file("/boot/grub/grub.cfg",
               "linux /vmlinuz root=/dev/sda1 ro\nlinux /vmlinuz root=/dev/sda1 single\n");
    tree_.file("/etc/initramfs-tools/conf.d/resume", "RESUME=/dev/sda2\n");
    tree_.file("/etc/crypttab", "swap /dev/sda2 /dev/urandom swap\n");
    auto inventory = inspect_tree();
    EXPECT_EQ(inventory.fstab[1].volume, "sda2");
    EXPECT_TRUE(inventory.fstab[1].unstable);
    std::vector<std::string> lines;
    for (const auto& each : inventory.findings)
        if (each.id == "fstab-unstable-name")
            lines.push_back(each.text);
    EXPECT_THAT(lines,
                testing::ElementsAre(
                    "/etc/fstab line 2 names /dev/sda1, which will not exist after the move",
                    "/etc/fstab line 3 names /dev/sda2, which will not exist after the move"));
    EXPECT_EQ(finding(inventory, "kernel-root-unstable").where, "/boot/grub/grub.cfg line 1");
    EXPECT_EQ(finding(inventory, "kernel-root-unstable").severity, Severity::Error);
    EXPECT_EQ(finding(inventory, "resume-unstable").where, "/etc/initramfs-tools/conf.d/resume");
    EXPECT_EQ(finding(inventory, "crypttab-unstable-name").where, "/etc/crypttab line 1");
}

TEST_F(Inspect, WhatResolvesToNothing) {
    tree_.file("/etc/fstab", "UUID=gone /data ext4 defaults 0 2\nUUID=gone2 /opt ext4 nofail 0 "
                             "2\nUUID=gone3 none swap sw 0 0\n");
    tree_.file("/boot/grub/grub.cfg", "linux /vmlinuz root=UUID=gone resume=UUID=gone3\n");
    auto inventory = inspect_tree();
    std::map<std::string, Severity> severities;
    for (const auto& each : inventory.findings)
        if (each.id == "fstab-unresolved")
            severities[each.where] = each.severity;
    EXPECT_EQ(severities,
              (std::map<std::string, Severity>{{"/etc/fstab line 1", Severity::Blocker},
                                               {"/etc/fstab line 2", Severity::Info},
                                               {"/etc/fstab line 3", Severity::Warning}}));
    EXPECT_EQ(finding(inventory, "kernel-root-unresolved").severity, Severity::Blocker);
    EXPECT_EQ(finding(inventory, "kernel-resume-unresolved").severity, Severity::Warning);
}

TEST_F(Inspect, Trap7_LinesThatAreNoneOfOurBusiness) {
    tree_.file("/etc/fstab",
               "server:/x /nfs nfs defaults 0 0\r\n"
               "tmpfs\t/tmp\ttmpfs\tdefaults\r\n"
               "/swapfile none swap sw 0 0\n"
               "/srv/a /srv/b none bind\n"
               "/dev/sr0 /media/cdrom0 udf,iso9660 user,noauto 0 0\n"
               "/dev/mapper/vg-lv /lv ext4 noauto 0 0\n"
               "UUID=5119a000-0000-4000-8000-000000000001 /with\\040blank ext4 defaults 0 2");
    auto inventory = inspect_tree();
    EXPECT_EQ(inventory.fstab.size(), 7U);
    EXPECT_EQ(inventory.fstab[6].mountpoint, "/with blank");
    EXPECT_EQ(inventory.fstab[6].volume, "sda1");
    for (const auto& each : inventory.findings)
        EXPECT_EQ(each.severity, Severity::Info) << render_text(each);
}

TEST_F(Inspect, Trap7_HypervisorSharesMalformedLinesAndDuplicates) {
    tree_.file("/etc/fstab", ".host:/ /mnt/hgfs vmhgfs defaults 0 0\nnonsense\n");
    volumes_.push_back(
        {{.name = "sdb1", .disk = "sdb", .partition = 1, .type = "ext4", .uuid = root_uuid}, ""});
    auto inventory = inspect_tree();
    EXPECT_EQ(finding(inventory, "fstab-hypervisor-share").where, "/etc/fstab line 1");
    EXPECT_EQ(finding(inventory, "fstab-malformed").where, "/etc/fstab line 2");
    EXPECT_THAT(finding(inventory, "duplicate-uuid").text, HasSubstr("sda1 and sdb1"));
}

TEST_F(Inspect, Trap8_StaleFilesOfTheOldMachine) {
    tree_.file("/boot/grub/device.map", "(hd0)\t/dev/disk/by-id/scsi-36000c29d\n")
        .file("/etc/lvm/devices/system.devices", "IDNAME=x\n");
    tree_.file("/etc/lvm/cache/.cache").file("/etc/blkid/blkid.tab");
    auto inventory = inspect_tree();
    EXPECT_THAT(finding(inventory, "device-map-stale").text,
                HasSubstr("/dev/disk/by-id/scsi-36000c29d"));
    EXPECT_FALSE(finding(inventory, "lvm-devices-file").id.empty());
    EXPECT_FALSE(finding(inventory, "lvm-cache").id.empty());
    EXPECT_FALSE(finding(inventory, "blkid-cache").id.empty());
    EXPECT_NE(inventory.file("/etc/lvm/cache/.cache"), nullptr);
}

TEST_F(Inspect, VolumesThatNeedAnotherEngineOrAWarning) {
    volumes_.push_back(
        {{.name = "sda3", .disk = "sda", .partition = 3, .type = "LVM2_member", .uuid = "a"}, ""});
    volumes_.push_back(
        {{.name = "sda4", .disk = "sda", .partition = 4, .type = "crypto_LUKS", .uuid = "b"}, ""});
    volumes_.push_back(
        {{.name = "sda5", .disk = "sda", .partition = 5, .type = "swsuspend", .uuid = "c"}, ""});
    volumes_.push_back({{.name = "sda6",
                         .disk = "sda",
                         .partition = 6,
                         .type = "ext4",
                         .uuid = "d",
                         .dirty = true},
                        ""});
    auto inventory = inspect_tree();
    EXPECT_EQ(finding(inventory, "lvm-present").where, "sda3");
    EXPECT_EQ(finding(inventory, "luks-present").where, "sda4");
    EXPECT_EQ(finding(inventory, "hibernated").where, "sda5");
    EXPECT_EQ(finding(inventory, "journal-dirty").where, "sda6");
}

TEST_F(Inspect, NoSystemIsNotFound) {
    GuestTree empty;
    auto root = empty.root();
    auto inventory = inspect({.root = root, .root_name = "sda1"});
    ASSERT_FALSE(inventory);
    EXPECT_EQ(inventory.error().code, Code::NotFound);
}

TEST_F(Inspect, WindowsIsNamedAndLeftAlone) {
    GuestTree windows;
    windows.dir("/Windows/System32/config").file("/etc/fstab", "/dev/sda1 / ext4\n");
    auto root = windows.root();
    auto inventory = inspect({.root = root, .root_name = "sda1"});
    ASSERT_TRUE(inventory);
    EXPECT_EQ(inventory->os.type, "windows");
    EXPECT_TRUE(inventory->fstab.empty());
}

TEST_F(Inspect, NamesInTheFstabOfAnotherKernelAreNoFindings) {
    GuestTree freebsd;
    freebsd.file("/bin/freebsd-version", "USERLAND_VERSION=\"14.0-RELEASE\"\n")
        .file("/etc/rc.conf");
    auto root = freebsd.root();
    OpenedGuest guest{.root = root, .root_name = "sda2"};
    guest.findings = {{.id = "fstab-unresolved", .severity = report::Severity::Blocker},
                      {.id = "journal-dirty"}};
    auto inventory = inspect(guest);
    ASSERT_TRUE(inventory);
    EXPECT_EQ(inventory->os.type, "freebsd");
    ASSERT_EQ(inventory->findings.size(), 1U);
    EXPECT_EQ(inventory->findings[0].id, "journal-dirty");
}

TEST_F(Inspect, Trap10_HostileFilesAreLimitedAndStayInside) {
    std::ofstream(tree_.outside() / "shadow") << "root:secret\n";
    auto shadow = (tree_.outside() / "shadow").string();
    std::filesystem::remove(tree_.host_path("/etc/fstab"));
    ASSERT_EQ(::mkfifo(tree_.host_path("/etc/fstab").c_str(), 0644), 0);
    tree_.link("/etc/crypttab", shadow)
        .link("/etc/default/grub", "../../../../../../../../" + shadow)
        .link("/etc/kernel/cmdline", "cmdline");
    tree_.file("/etc/dracut.conf").link("/etc/dracut.conf.d/a.conf", "/proc/self/environ");
    std::filesystem::resize_file(tree_.host_path("/etc/dracut.conf"), 1ULL << 40);
    auto inventory = inspect_tree();
    EXPECT_EQ(inventory.file("/etc/fstab"), nullptr);
    EXPECT_EQ(inventory.file("/etc/dracut.conf"), nullptr);
    for (const auto& [path, text] : inventory.files)
        EXPECT_THAT(text, testing::Not(HasSubstr("secret"))) << path;
    EXPECT_EQ(inventory.file("/etc/crypttab"), nullptr);
    EXPECT_EQ(inventory.file("/etc/dracut.conf.d/a.conf"), nullptr);
    std::vector<std::string> unreadable;
    for (const auto& each : inventory.findings)
        if (each.id == "file-unreadable")
            unreadable.push_back(each.where);
    EXPECT_THAT(unreadable, testing::IsSupersetOf({"/etc/fstab", "/etc/dracut.conf"}));
}

TEST_F(Inspect, Trap10_EndlessDirectoriesAndFstabs) {
    for (int i = 0; i < 6000; ++i)
        tree_.file("/boot/vmlinuz-" + std::to_string(i));
    std::string fstab;
    for (int i = 0; i < 5000; ++i)
        fstab += "/dev/sda1 /m" + std::to_string(i) + " ext4 defaults 0 0\n";
    tree_.file("/etc/fstab", fstab);
    std::string options = "options";
    for (int i = 0; i < 20000; ++i)
        options += " root=/dev/sd" + std::to_string(i);
    tree_.file("/boot/loader/entries/x.conf", options);
    auto inventory = inspect_tree();
    EXPECT_LE(inventory.kernels.size(), 128U);
    EXPECT_LE(inventory.fstab.size(), 1000U);
    EXPECT_LE(inventory.findings.size(), 1500U);
    EXPECT_EQ(finding(inventory, "directory-too-large").where, "/boot");
}

} // namespace
} // namespace slipway::guest
