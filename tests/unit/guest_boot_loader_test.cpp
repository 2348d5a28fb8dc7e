// SPDX-License-Identifier: Apache-2.0
#include "guest/boot_loader.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "guest/boot_arguments.hpp"
#include "support/guest_tree.hpp"

namespace slipway::guest {
namespace {

using mount::MountableDisk;
using report::BootLoader;
using report::Inventory;
using testing::Contains;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::Not;
using testing_support::GuestTree;

std::vector<std::string> ids_of(const report::Findings& findings) {
    std::vector<std::string> ids;
    for (const auto& finding : findings)
        ids.push_back(finding.id);
    return ids;
}

struct Detected {
    BootLoader loader;
    std::vector<std::string> findings;
};
Detected detect(const GuestTree& tree) {
    report::Findings findings;
    auto root = tree.root();
    auto loader = detect_boot_loader(GuestFiles(root, findings));
    return {loader, ids_of(findings)};
}

TEST(BootLoader, Debian) {
    GuestTree tree;
    tree.file("/boot/grub/grub.cfg", "menuentry x {}\n")
        .file("/usr/sbin/update-grub")
        .file("/usr/sbin/grub-mkconfig")
        .file("/etc/default/grub");
    auto [loader, findings] = detect(tree);
    EXPECT_EQ(loader.kind, "grub2");
    EXPECT_EQ(loader.grub_config, "/boot/grub/grub.cfg");
    EXPECT_EQ(loader.mkconfig, "/usr/sbin/update-grub");
    EXPECT_FALSE(loader.uses_bls);
    EXPECT_THAT(loader.config_files, ElementsAre("/boot/grub/grub.cfg", "/etc/default/grub"));
    EXPECT_THAT(findings, IsEmpty());
}

TEST(BootLoader, FedoraWithEntriesAndAWrapperOnTheEsp) {
    GuestTree tree;
    tree.file("/boot/grub2/grub.cfg", "insmod blscfg\nblscfg\n")
        .file("/boot/loader/entries/x-6.7.conf", "title x\n")
        .file("/usr/sbin/grub2-mkconfig");
    tree.file("/boot/efi/EFI/fedora/grub.cfg", "search --fs-uuid x\nconfigfile $prefix/grub.cfg\n")
        .link("/etc/grub2-efi.cfg", "../boot/grub2/grub.cfg");
    auto loader = detect(tree).loader;
    EXPECT_EQ(loader.kind, "grub2");
    EXPECT_TRUE(loader.uses_bls);
    EXPECT_EQ(loader.grub_config, "/boot/grub2/grub.cfg");
    EXPECT_EQ(loader.mkconfig, "/usr/sbin/grub2-mkconfig");
    EXPECT_THAT(loader.config_files, Contains("/boot/efi/EFI/fedora/grub.cfg"));
}

TEST(BootLoader, Rhel7OnUefiKeepsTheRealFileOnTheEsp) {
    GuestTree tree;
    tree.file("/boot/efi/EFI/redhat/grub.cfg",
              "menuentry 'Red Hat' { linuxefi /vmlinuz root=/dev/sda2\n}\n")
        .dir("/boot/grub2");
    tree.link("/etc/grub2-efi.cfg", "../boot/efi/EFI/redhat/grub.cfg")
        .file("/usr/sbin/grub2-mkconfig");
    auto loader = detect(tree).loader;
    EXPECT_EQ(loader.kind, "grub2");
    EXPECT_EQ(loader.grub_config, "/boot/efi/EFI/redhat/grub.cfg");
}

TEST(BootLoader, GrubWithoutItsConfigIsAFinding) {
    GuestTree tree;
    tree.dir("/boot/grub/i386-pc").file("/usr/sbin/update-grub");
    auto [loader, findings] = detect(tree);
    EXPECT_EQ(loader.kind, "grub2");
    EXPECT_EQ(loader.grub_config, "/boot/grub/grub.cfg");
    EXPECT_THAT(findings, ElementsAre("grub-config-missing"));
}

TEST(BootLoader, OtherKinds) {
    EXPECT_EQ(detect(GuestTree().file("/boot/grub/menu.lst")).loader.kind, "grub-legacy");
    EXPECT_EQ(detect(GuestTree().file("/boot/extlinux.conf")).loader.kind, "extlinux");
    auto systemd_boot = detect(GuestTree()
                                   .file("/efi/loader/loader.conf")
                                   .file("/efi/loader/entries/a.conf", "linux /vmlinuz\n"))
                            .loader;
    EXPECT_EQ(systemd_boot.kind, "systemd-boot");
    EXPECT_TRUE(systemd_boot.uses_bls);
    EXPECT_EQ(systemd_boot.grub_config, "");
    auto none = detect(GuestTree());
    EXPECT_EQ(none.loader.kind, "");
    EXPECT_THAT(none.findings, ElementsAre("boot-loader-missing"));
}

TEST(BootArguments, Trap1_NeverSetRootNorRootflags) {
    auto arguments = find_boot_arguments(BootFileKind::GrubConfig,
                                         "set root='hd0,msdos1'\n"
                                         "search --set=root x\n"
                                         "# linux /vmlinuz root=/dev/sdz9\n"
                                         "\tlinux /vmlinuz root=/dev/sda1 ro rootflags=subvol=@ "
                                         "rd.root=x resume=\"/dev/sda2\" systemd.volatile=no\n");
    ASSERT_EQ(arguments.size(), 2U);
    EXPECT_EQ(arguments[0].name, "root");
    EXPECT_EQ(arguments[0].value, "/dev/sda1");
    EXPECT_EQ(arguments[0].line_no, 4);
    EXPECT_EQ(arguments[1].name, "resume");
    EXPECT_EQ(arguments[1].value, "/dev/sda2");
}

TEST(BootArguments, OfEachKindOfFile) {
    auto value = [](const char* path, const char* text) {
        auto found = find_boot_arguments(kind_of_boot_file(path), text);
        return found.size() == 1 ? found[0].value : "";
    };
    EXPECT_EQ(value("/boot/loader/entries/a.conf", "title root=no\noptions root=UUID=a ro\n"),
              "UUID=a");
    EXPECT_EQ(value("/boot/grub2/grubenv",
                    "# GRUB Environment Block\nkernelopts=root=/dev/sda3 ro\n####"),
              "/dev/sda3");
    EXPECT_EQ(value("/boot/extlinux.conf", "LABEL x\n  APPEND root=LABEL=r quiet\n"), "LABEL=r");
    EXPECT_EQ(
        value("/boot/grub/menu.lst", "title x\nroot (hd0,0)\nkernel /vmlinuz ro root=/dev/hda1\n"),
        "/dev/hda1");
    EXPECT_EQ(value("/etc/hosts", "linux root=/dev/sda1\n"), "");
}

/// A file as a disk's first sector.
std::string write_sector(const GuestTree& tree, const std::string& name, const std::string& code) {
    auto path = (tree.outside() / name).string();
    std::string sector(512, '\0');
    sector.replace(100, code.size(), code);
    std::ofstream(path, std::ios::binary) << sector;
    return path;
}

struct Firmware {
    std::string name;
    std::vector<std::string> findings;
};
Firmware detect(const GuestTree& tree, const std::vector<MountableDisk>& disks,
                const Inventory& inventory) {
    report::Findings findings;
    auto root = tree.root();
    auto name = detect_firmware(GuestFiles(root, findings), disks, inventory);
    return {name, ids_of(findings)};
}

Inventory with_esp() {
    Inventory inventory;
    inventory.volumes = {{.name = "sda1",
                          .disk = "sda",
                          .partition = 1,
                          .type = "vfat",
                          .parttype = "C12A7328-F81F-11D2-BA4B-00A0C93EC93B"}};
    return inventory;
}

TEST(Firmware, BiosByGrubInTheBootSector) {
    GuestTree tree;
    auto found = detect(tree, {{{.name = "sda"}, write_sector(tree, "sda", "GRUB \0Geom")}}, {});
    EXPECT_EQ(found.name, "bios");
    EXPECT_THAT(found.findings, IsEmpty());
    EXPECT_EQ(detect(tree, {}, {}).name, "");
}

TEST(Firmware, BiosByBootCodeAndAnActivePartition) {
    GuestTree tree;
    Inventory inventory;
    std::vector<MountableDisk> disks{
        {{.name = "sda"}, write_sector(tree, "sda", "\xfa\x31\xc0 other loader")}};
    EXPECT_EQ(detect(tree, disks, inventory).name, "");
    inventory.volumes = {
        {.name = "sda1", .disk = "sda", .partition = 1, .type = "ext4", .bootable = true}};
    EXPECT_EQ(detect(tree, disks, inventory).name, "bios");
}

TEST(Firmware, EmptyBootSectorOfABiosGuestIsAFinding) {
    GuestTree tree;
    tree.dir("/boot/grub/i386-pc");
    auto found = detect(tree, {{{.name = "sda"}, write_sector(tree, "sda", "")}}, {});
    EXPECT_EQ(found.name, "bios");
    EXPECT_THAT(found.findings, ElementsAre("boot-sector-empty"));
}

TEST(Firmware, UefiByTypeWhereTheEspCannotBeRead) {
    GuestTree tree;
    auto found = detect(tree, {}, with_esp());
    EXPECT_EQ(found.name, "uefi");
    EXPECT_THAT(found.findings, ElementsAre("esp-unreadable"));
    auto mbr = with_esp();
    mbr.volumes[0].parttype = "0xef";
    EXPECT_EQ(detect(tree, {}, mbr).name, "uefi");
}

TEST(Firmware, UefiByContentsInAnyCase) {
    GuestTree tree;
    auto inventory = with_esp();
    inventory.mountpoints = {{"/boot/efi", "sda1"}};
    tree.dir("/boot/efi");
    EXPECT_EQ(detect(tree, {}, inventory).name, "");
    tree.file("/boot/efi/efi/debian/SHIMX64.EFI");
    EXPECT_EQ(detect(tree, {}, inventory).name, "uefi");
    EXPECT_THAT(detect(tree, {}, inventory).findings, ElementsAre("esp-without-fallback"));
    tree.file("/boot/efi/efi/Boot/bootx64.efi");
    EXPECT_THAT(detect(tree, {}, inventory).findings, IsEmpty());
}

TEST(Firmware, Trap4_BothMayBePresent) {
    GuestTree tree;
    auto inventory = with_esp();
    inventory.volumes.push_back({.name = "sda2",
                                 .disk = "sda",
                                 .partition = 2,
                                 .type = "",
                                 .parttype = "21686148-6449-6e6f-744e-656564454649"});
    auto found = detect(tree, {{{.name = "sda"}, write_sector(tree, "sda", "GRUB")}}, inventory);
    EXPECT_EQ(found.name, "bios+uefi");
    EXPECT_THAT(found.findings, Not(Contains("boot-sector-empty")));
}

} // namespace
} // namespace slipway::guest
