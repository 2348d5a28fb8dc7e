// SPDX-License-Identifier: Apache-2.0
#include <cstdlib>
#include <filesystem>
#include <optional>

#include <gtest/gtest.h>

#include "repair/repair.hpp"
#include "repair_guest.hpp"

namespace slipway::repair {
namespace {

using namespace slipway::test;
using report::Severity;

constexpr const char* grub_cfg = "/boot/grub/grub.cfg";

/// A guest's root directory with a kernel and its menu; tests damage it.
class Verify : public testing::Test {
protected:
    void SetUp() override {
        std::string name = testing::TempDir() + "slipway-verify-XXXXXX";
        ASSERT_NE(::mkdtemp(name.data()), nullptr);
        directory_ = name;
        root_.emplace(std::move(*sys::RootDir::open(directory_)));
        guest_ = one_disk_guest();
        guest_.boot_loader = {
            .kind = "grub2", .grub_config = grub_cfg, .mkconfig = "/usr/sbin/update-grub"};
        write("/boot/vmlinuz-6.1", "kernel");
        write("/boot/initrd.img-6.1", "initramfs");
        write("/etc/fstab", std::string("UUID=") + root_uuid + " / ext4 defaults 0 1\n");
        write_menu(menu(std::string("UUID=") + root_uuid));
        guest_.files[grub_cfg] = read(grub_cfg);
    }
    void TearDown() override { std::filesystem::remove_all(directory_); }

    static std::string menu(const std::string& device,
                            const std::string& kernel = "/boot/vmlinuz-6.1",
                            const std::string& initrd = "/boot/initrd.img-6.1") {
        return "set default=0\nmenuentry 'Debian' {\n\tset root='hd0,msdos1'\n\tsearch --no-floppy "
               "--fs-uuid --set=root " +
               std::string(root_uuid) + "\n\tlinux " + kernel + " root=" + device +
               " ro quiet\n\tinitrd " + initrd + "\n}\n";
    }
    void write(std::string_view path, std::string_view text) {
        ASSERT_TRUE(root_->make_dirs(sys::GuestPath(path).parent()));
        ASSERT_TRUE(root_->write_atomic(sys::GuestPath(path), text));
    }
    void write_menu(const std::string& text) { write(grub_cfg, text); }
    [[nodiscard]] std::string read(std::string_view path) const {
        return *root_->read(sys::GuestPath(path));
    }
    [[nodiscard]] report::Findings findings() const { return verify_all(*root_, guest_); }
    [[nodiscard]] bool finds(std::string_view id, Severity severity = Severity::Blocker) const {
        for (const auto& finding : findings())
            if (finding.id == id && finding.severity == severity)
                return true;
        return false;
    }

    std::string directory_;
    std::optional<sys::RootDir> root_;
    report::Inventory guest_;
};

TEST_F(Verify, AGoodGuestHasNoFindings) {
    for (const auto& finding : findings())
        ADD_FAILURE() << report::render_text(finding);
}

TEST_F(Verify, Trap3_HostDevicesInTheMenuAreBlockers) {
    for (const std::string device :
         {"/dev/nbd0p1", "/dev/loop0p1", "/dev/mapper/loop0p1", "/dev/mapper/hostvg-root"}) {
        write_menu(menu(device));
        EXPECT_TRUE(finds("host-device-in-boot-file")) << device;
    }
}

TEST_F(Verify, Trap3_HostDevicesInEveryOtherBootFile) {
    guest_.files["/etc/kernel/cmdline"] = guest_.files["/etc/default/grub"] =
        guest_.files["/boot/grub/grubenv"] = "";
    write("/etc/kernel/cmdline", "root=/dev/loop0 ro");
    EXPECT_TRUE(finds("host-device-in-boot-file"));
    write("/etc/kernel/cmdline", "ro");
    write("/boot/loader/entries/new.conf", "linux /boot/vmlinuz-6.1\noptions root=/dev/nbd3p1\n");
    EXPECT_TRUE(finds("host-device-in-boot-file"));
    write("/boot/loader/entries/new.conf", "linux /boot/vmlinuz-6.1\n");
    write("/etc/fstab", "/dev/nbd0p1 / ext4 defaults 0 1\n");
    EXPECT_TRUE(finds("host-device-in-boot-file"));
    write("/etc/fstab", "");
    write("/etc/crypttab", "root /dev/loop1p2 none luks\n");
    EXPECT_TRUE(finds("host-device-in-boot-file"));
}

TEST_F(Verify, Trap3_MappingsThatTheGuestNamedItselfAreItsOwn) {
    write_menu(menu("/dev/mapper/vg-root"));
    guest_.files["/etc/fstab"] = "/dev/mapper/vg-root / ext4 defaults 0 1\n";
    EXPECT_FALSE(finds("host-device-in-boot-file"));
}

TEST_F(Verify, Trap6_LogicalVolumesOfTheGuestAreItsOwn) {
    write_menu(menu("/dev/mapper/a--b-c--d"));
    EXPECT_TRUE(finds("host-device-in-boot-file"));
    guest_.volumes.push_back({.name = "a-b/c-d", .type = "ext4"});
    EXPECT_FALSE(finds("host-device-in-boot-file"));
}

TEST_F(Verify, Trap3_CommentsNameNothing) {
    write_menu("# was on /dev/loop0p1\n" + menu(std::string("UUID=") + root_uuid));
    EXPECT_FALSE(finds("host-device-in-boot-file"));
}

TEST_F(Verify, Trap3_EntriesOfOsProberAreForeignUnlessTheyWereThere) {
    auto text = menu(std::string("UUID=") + root_uuid) +
                "menuentry 'Host' $menuentry_id_option 'osprober-gnulinux-simple-abcd' {\n\tset "
                "root='hd0,msdos2'\n}\n";
    write_menu(text);
    EXPECT_TRUE(finds("foreign-menu-entry", Severity::Error));
    guest_.files[grub_cfg] = text;
    EXPECT_FALSE(finds("foreign-menu-entry", Severity::Error));
}

TEST_F(Verify, Trap3_RootThatIsNoVolumeOfTheGuestIsABlocker) {
    write_menu(menu("UUID=11111111-2222-3333-4444-555555555555"));
    EXPECT_TRUE(finds("kernel-argument-leads-nowhere"));
    guest_.volumes.push_back(volume("sda", 2, "LVM2_member", "x"));
    EXPECT_TRUE(finds("kernel-argument-leads-nowhere", Severity::Info));
}

TEST_F(Verify, DeviceNamesThatRemainAreTold) {
    write_menu(menu("/dev/sda1"));
    EXPECT_TRUE(finds("unstable-kernel-argument"));
    write_menu(menu(std::string("UUID=") + root_uuid + " resume=/dev/sda5"));
    EXPECT_TRUE(finds("unstable-kernel-argument", Severity::Warning));
    EXPECT_FALSE(finds("unstable-kernel-argument"));
    write("/etc/fstab", "/dev/sda1 / ext4 defaults 0 1\n");
    EXPECT_TRUE(finds("fstab-unstable-name"));
    write("/etc/fstab", "/dev/sda5 none swap sw 0 0\n");
    EXPECT_TRUE(finds("fstab-unstable-name", Severity::Warning));
    write_menu(menu("0801"));
    EXPECT_TRUE(finds("unstable-kernel-argument"));
}

TEST_F(Verify, OnlyTheFirstEntryOfAMenuCanBlock) {
    write_menu(menu(std::string("UUID=") + root_uuid) + menu("/dev/sdb1"));
    EXPECT_FALSE(finds("unstable-kernel-argument"));
    EXPECT_TRUE(finds("unstable-kernel-argument", Severity::Error));
}

TEST_F(Verify, FirstEntryWithoutARootThatCanBeReadIsTold) {
    std::string entry = "menuentry 'Debian' {\n\tlinux /boot/vmlinuz-6.1 $kopts ro\n"
                        "\tinitrd /boot/initrd.img-6.1\n}\n";
    write_menu(entry);
    EXPECT_TRUE(finds("kernel-root-unknown", Severity::Error));
    write_menu(menu(std::string("UUID=") + root_uuid) + entry);
    EXPECT_FALSE(finds("kernel-root-unknown", Severity::Error));
}

TEST_F(Verify, FirstEntryMustLeadToFilesThatExist) {
    write_menu(menu(std::string("UUID=") + root_uuid, "/boot/vmlinuz-6.2"));
    EXPECT_TRUE(finds("menu-entry-broken"));
    write_menu(menu(std::string("UUID=") + root_uuid, "/boot/vmlinuz-6.1", "/boot/initrd.img-6.2"));
    EXPECT_TRUE(finds("menu-entry-broken"));
    write_menu(menu(std::string("UUID=") + root_uuid) +
               menu(std::string("UUID=") + root_uuid, "/boot/vmlinuz-5.10"));
    EXPECT_FALSE(finds("menu-entry-broken"));
    EXPECT_TRUE(finds("menu-entry-broken", Severity::Warning));
}

TEST_F(Verify, Trap6_PathsCountFromTheTopOfASeparateBoot) {
    guest_.volumes.push_back(volume("sda", 2, "ext4", data_uuid));
    guest_.mountpoints["/boot"] = "sda2";
    auto text = menu(std::string("UUID=") + root_uuid, "/vmlinuz-6.1", "/initrd.img-6.1");
    text.replace(text.find(std::string("--set=root ") + root_uuid) + 11,
                 std::string_view(root_uuid).size(), data_uuid);
    write_menu(text);
    EXPECT_FALSE(finds("menu-entry-broken"));
    text.replace(text.find("/vmlinuz"), 8, "/boot/vmlinuz");
    write_menu(text);
    EXPECT_TRUE(finds("menu-entry-broken"));
}

TEST_F(Verify, Trap6_PathsOnBtrfsBeginWithTheSubvolume) {
    guest_.volumes[0].type = "btrfs";
    guest_.root = "btrfs:sda1/@";
    guest_.mountpoints = {{"/", "btrfs:sda1/@"}};
    write_menu(
        menu(std::string("UUID=") + root_uuid, "/@/boot/vmlinuz-6.1", "/@/boot/initrd.img-6.1"));
    EXPECT_FALSE(finds("menu-entry-broken"));
    write_menu(menu(std::string("UUID=") + root_uuid, "/@/boot/vmlinuz-6.2"));
    EXPECT_TRUE(finds("menu-entry-broken"));
}

TEST_F(Verify, PathsWithVariablesAreNotJudged) {
    write_menu(menu(std::string("UUID=") + root_uuid, "($root)/boot/vmlinuz-6.1",
                    "/boot/initrd.img-6.1 $tuned_initrd"));
    EXPECT_FALSE(finds("menu-entry-broken"));
}

TEST_F(Verify, BootEntriesOfFedoraAreFollowed) {
    write_menu("insmod blscfg\nblscfg\n");
    EXPECT_TRUE(finds("no-boot-entry"));
    write("/boot/loader/entries/a.conf", "title F\nlinux /boot/vmlinuz-6.1\ninitrd "
                                         "/boot/initrd.img-6.1 $tuned_initrd\noptions root=UUID=" +
                                             std::string(root_uuid) + " ro\n");
    EXPECT_FALSE(finds("no-boot-entry"));
    write("/boot/loader/entries/a.conf", "title F\nlinux /boot/vmlinuz-9\n");
    EXPECT_TRUE(finds("menu-entry-broken"));
}

TEST_F(Verify, EmptyOrUnbalancedMenusAreBlockers) {
    write_menu("");
    EXPECT_TRUE(finds("grub-config-broken"));
    write_menu(menu(std::string("UUID=") + root_uuid) + "menuentry 'x' {\n");
    EXPECT_TRUE(finds("grub-config-broken"));
}

TEST_F(Verify, Trap3_SearchForAHostsFilesystemIsTold) {
    auto text = menu(std::string("UUID=") + root_uuid);
    text.replace(text.find(std::string("--set=root ") + root_uuid) + 11,
                 std::string_view(root_uuid).size(), "99999999-0000-0000-0000-000000000000");
    write_menu(text);
    EXPECT_TRUE(finds("unknown-uuid-in-boot-file", Severity::Warning));
}

} // namespace
} // namespace slipway::repair
