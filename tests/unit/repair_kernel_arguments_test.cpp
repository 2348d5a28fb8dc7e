// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "guest/grub_env.hpp"
#include "repair/repairs.hpp"
#include "repair_guest.hpp"

namespace slipway::repair {
namespace {

using namespace slipway::test;

const std::string root_name = std::string("UUID=") + root_uuid;
const std::string swap_name = std::string("UUID=") + swap_uuid;

/// What a file of a guest with one disk becomes.
std::string edited(const std::string& path, const std::string& text) {
    auto guest = one_disk_guest();
    guest.files[path] = text;
    return text_after(guest, kernel_arguments_repair().plan(guest, {}), path);
}

TEST(KernelArguments, Trap1_SetRootAndOtherArgumentsSurvive) {
    const std::string before =
        "set root='hd0,msdos1'\n"
        "if [ x$feature_platform_search_hint = xy ]; then\n"
        "  search --no-floppy --fs-uuid --set=root --hint-bios=hd0,msdos1 abcd\nfi\n"
        "menuentry 'Debian' {\n"
        "\tset root='hd0,msdos1'\n"
        "\tlinux /vmlinuz root=/dev/sda1 ro rd.root=/dev/sda1 rootflags=subvol=@ "
        "systemd.volatile=no\n"
        "\tinitrd /initrd.img\n}\n";
    const std::string after =
        "set root='hd0,msdos1'\n"
        "if [ x$feature_platform_search_hint = xy ]; then\n"
        "  search --no-floppy --fs-uuid --set=root --hint-bios=hd0,msdos1 abcd\nfi\n"
        "menuentry 'Debian' {\n"
        "\tset root='hd0,msdos1'\n"
        "\tlinux /vmlinuz root=" +
        root_name +
        " ro rd.root=/dev/sda1 rootflags=subvol=@ systemd.volatile=no\n"
        "\tinitrd /initrd.img\n}\n";
    EXPECT_EQ(edited("/boot/grub/grub.cfg", before), after);
}

TEST(KernelArguments, Trap1_KerneloptsOfGrubenvKeepTheBlock) {
    std::string block = "# GRUB Environment Block\nsaved_entry=x\nkernelopts=root=/dev/sda1 ro "
                        "crashkernel=auto resume=/dev/sda5 \nboot_success=0\n";
    block.resize(guest::grub_env_size, '#');
    auto after = edited("/boot/grub2/grubenv", block);
    EXPECT_EQ(after.size(), guest::grub_env_size);
    EXPECT_EQ(guest::grub_variable(after, "kernelopts"),
              "root=" + root_name + " ro crashkernel=auto resume=" + swap_name + " ");
    EXPECT_EQ(guest::grub_variable(after, "boot_success"), "0");
    EXPECT_EQ(after.back(), '#');
}

TEST(KernelArguments, Trap1_FullGrubenvIsLeftWithAFinding) {
    std::string block =
        "# GRUB Environment Block\nkernelopts=root=/dev/sda1 " + std::string(970, 'x') + "\n";
    ASSERT_LT(block.size(), guest::grub_env_size);
    block.resize(guest::grub_env_size, '#');
    auto guest = one_disk_guest();
    guest.files["/boot/grub2/grubenv"] = block;
    auto plan = kernel_arguments_repair().plan(guest, {});
    EXPECT_TRUE(plan.actions.empty());
    EXPECT_TRUE(has_finding(plan.findings, "grubenv-full"));
}

TEST(KernelArguments, CommandsThatShareALineOrGoOverSeveral) {
    EXPECT_EQ(edited("/boot/grub/grub.cfg",
                     "menuentry 'a;b' { search x; linux /vmlinuz root=/dev/sda1 ro; initrd /i; }\n"
                     "menuentry 'c' {\n\tlinux /vmlinuz \\\n\t\troot=/dev/sda1 \\\r\n\t\tro "
                     "# root=/dev/sda1\n\tinitrd /i\n}\n"),
              "menuentry 'a;b' { search x; linux /vmlinuz root=" + root_name +
                  " ro; initrd /i; }\n"
                  "menuentry 'c' {\n\tlinux /vmlinuz \\\n\t\troot=" +
                  root_name + " \\\r\n\t\tro # root=/dev/sda1\n\tinitrd /i\n}\n");
}

TEST(KernelArguments, WhatTheAdministratorAddedToTheMenu) {
    for (const auto* path : {"/boot/grub/custom.cfg", "/etc/grub.d/40_custom"})
        EXPECT_EQ(edited(path, "#!/bin/sh\nexec tail -n +3 $0\nmenuentry 'x' {\n linux /vmlinuz "
                               "root=/dev/sda1\n initrd /i\n}\n"),
                  "#!/bin/sh\nexec tail -n +3 $0\nmenuentry 'x' {\n linux /vmlinuz root=" +
                      root_name + "\n initrd /i\n}\n");
    auto guest = one_disk_guest();
    guest.files["/etc/grub.d/40_custom"] = "linux /vmlinuz root=/dev/sda1\ninitrd /i\n";
    auto plan = kernel_arguments_repair().plan(guest, {});
    ASSERT_EQ(plan.actions.size(), 1U);
    EXPECT_FALSE(plan.actions[0].keep_backup) << "grub-mkconfig would run the copy as well";
}

TEST(KernelArguments, AnotherSystemsRootIsNotOurs) {
    auto guest = one_disk_guest();
    guest.files["/boot/grub/grub.cfg"] = "linux /vmlinuz root=" + root_name +
                                         "\ninitrd /i\nlinux /vmlinuz root=/dev/sdb1\ninitrd /i\n";
    auto plan = kernel_arguments_repair().plan(guest, {});
    EXPECT_TRUE(plan.actions.empty());
    ASSERT_EQ(plan.findings.size(), 1U);
    EXPECT_EQ(plan.findings[0].severity, report::Severity::Error);
}

TEST(KernelArguments, DeviceNumbersAreKeptAndTold) {
    auto guest = one_disk_guest();
    for (const auto* number : {"0801", "8:1", "801"}) {
        guest.files["/boot/grub/grub.cfg"] =
            fmt::format("linux /vmlinuz root={}\ninitrd /i\n", number);
        auto plan = kernel_arguments_repair().plan(guest, {});
        ASSERT_EQ(plan.findings.size(), 1U) << number;
        EXPECT_EQ(plan.findings[0].severity, report::Severity::Blocker);
    }
}

TEST(KernelArguments, EveryKernelCommandOfGrub) {
    for (const std::string command :
         {"linux", "linux16", "linuxefi", "linuxxen", "module2", "kernel"})
        EXPECT_EQ(
            edited("/boot/grub/grub.cfg", command + " /vmlinuz root=/dev/sda1 ro\ninitrd /i\n"),
            command + " /vmlinuz root=" + root_name + " ro\ninitrd /i\n");
}

TEST(KernelArguments, KernelWithoutInitramfsGetsPartuuid) {
    EXPECT_EQ(edited("/boot/grub/grub.cfg", "menuentry a {\nlinux /vmlinuz root=/dev/sda1 ro\n}\n"),
              "menuentry a {\nlinux /vmlinuz root=PARTUUID=9f1d2c3b-01 ro\n}\n");
}

TEST(KernelArguments, EntriesOfTheBootLoaderSpecification) {
    EXPECT_EQ(edited("/boot/loader/entries/abc-6.5.conf",
                     "title Fedora\nlinux /vmlinuz\ninitrd /initramfs.img $tuned_initrd\noptions "
                     "root=/dev/sda1 ro resume=/dev/sda5 $tuned_params\n"),
              "title Fedora\nlinux /vmlinuz\ninitrd /initramfs.img $tuned_initrd\noptions root=" +
                  root_name + " ro resume=" + swap_name + " $tuned_params\n");
}

TEST(KernelArguments, DefaultsCommandLineExtlinuxAndLegacy) {
    EXPECT_EQ(edited("/etc/default/grub",
                     "GRUB_CMDLINE_LINUX=\"root=/dev/sda1 "
                     "quiet\"\nGRUB_CMDLINE_LINUX_DEFAULT='resume=/dev/sda5'\n"),
              "GRUB_CMDLINE_LINUX=\"root=" + root_name +
                  " quiet\"\nGRUB_CMDLINE_LINUX_DEFAULT='resume=" + swap_name + "'\n");
    EXPECT_EQ(edited("/etc/default/grub.d/50-x.cfg",
                     "GRUB_CMDLINE_LINUX=\"$GRUB_CMDLINE_LINUX root=/dev/sda1\"\n"),
              "GRUB_CMDLINE_LINUX=\"$GRUB_CMDLINE_LINUX root=" + root_name + "\"\n");
    EXPECT_EQ(edited("/etc/kernel/cmdline", "root=/dev/sda1 ro"), "root=" + root_name + " ro");
    EXPECT_EQ(
        edited(
            "/boot/extlinux.conf",
            "LABEL a\n  LINUX vmlinuz\n  INITRD initramfs\n  APPEND root=/dev/sda1 modules=ext4\n"),
        "LABEL a\n  LINUX vmlinuz\n  INITRD initramfs\n  APPEND root=" + root_name +
            " modules=ext4\n");
    EXPECT_EQ(
        edited("/etc/update-extlinux.conf", "root=/dev/sda1\ndefault_kernel_opts=\"quiet\"\n"),
        "root=" + root_name + "\ndefault_kernel_opts=\"quiet\"\n");
    EXPECT_EQ(
        edited("/boot/grub/menu.lst", "# kopt=root=/dev/sda1 ro\ntitle Old\nroot (hd0,0)\nkernel "
                                      "/vmlinuz root=/dev/sda1 ro\ninitrd /i\n"),
        "# kopt=root=" + root_name +
            " ro\ntitle Old\nroot (hd0,0)\nkernel /vmlinuz root=" + root_name + " ro\ninitrd /i\n");
    EXPECT_EQ(edited("/boot/grub2/grub.cfg", "  set kernelopts=\"root=/dev/sda1 ro \"\n"),
              "  set kernelopts=\"root=" + root_name + " ro \"\n");
    EXPECT_EQ(edited("/etc/dracut.conf.d/10-x.conf", "kernel_cmdline+=\" root=/dev/sda1 \"\n"),
              "kernel_cmdline+=\" root=" + root_name + " \"\n");
}

TEST(KernelArguments, ResumeOfInitramfsToolsHasNoCopyBeside) {
    auto guest = one_disk_guest();
    guest.files["/etc/initramfs-tools/conf.d/resume"] = "RESUME=/dev/sda5\n";
    auto plan = kernel_arguments_repair().plan(guest, {});
    ASSERT_EQ(plan.actions.size(), 1U);
    EXPECT_EQ(plan.actions[0].content, "RESUME=" + swap_name + "\n");
    EXPECT_FALSE(plan.actions[0].keep_backup);
}

TEST(KernelArguments, StableFormsStay) {
    for (const std::string value :
         {"/dev/mapper/vg-root", "UUID=x", "PARTUUID=x", "LABEL=cloudimg-rootfs", "ZFS=rpool/ROOT",
          "live:CDLABEL=x", "/dev/vg0/root", "/dev/md0", "zfs:AUTO", "/dev/disk/by-uuid/x",
          "/dev/nfs"}) {
        auto text =
            "linux /vmlinuz root=" + value + " rd.lvm.lv=vg/root rd.luks.uuid=x\ninitrd /i\n";
        EXPECT_EQ(edited("/boot/grub/grub.cfg", text), text);
    }
}

TEST(KernelArguments, Trap6_LogicalVolumesWithHyphensStay) {
    const std::string text =
        "linux /vmlinuz root=/dev/mapper/a--b-c--d rd.lvm.lv=a-b/c-d\ninitrd /i\n";
    EXPECT_EQ(edited("/boot/grub/grub.cfg", text), text);
}

TEST(KernelArguments, Trap4_WrapperOnTheEspStaysByteForByte) {
    const std::string text =
        "search --no-floppy --root-dev-only --fs-uuid --set=dev abcd\nset prefix=($dev)/grub2\n"
        "set root='hd0,gpt2'\nexport $prefix\nconfigfile $prefix/grub.cfg\n";
    EXPECT_EQ(edited("/boot/efi/EFI/fedora/grub.cfg", text), text);
}

TEST(KernelArguments, Trap3_HostsNameForTheRootIsMended) {
    EXPECT_EQ(edited("/boot/grub/grub.cfg", "linux /vmlinuz root=/dev/nbd0p1 ro\ninitrd /i\n"),
              "linux /vmlinuz root=" + root_name + " ro\ninitrd /i\n");
}

TEST(KernelArguments, CommentsAndFilesOfOtherKindsStay) {
    EXPECT_EQ(edited("/boot/grub/grub.cfg", "# linux /vmlinuz root=/dev/sda1\n"),
              "# linux /vmlinuz root=/dev/sda1\n");
    EXPECT_EQ(edited("/etc/default/grub", "#GRUB_CMDLINE_LINUX=\"root=/dev/sda1\"\n"),
              "#GRUB_CMDLINE_LINUX=\"root=/dev/sda1\"\n");
    EXPECT_EQ(edited("/etc/motd", "root=/dev/sda1\n"), "root=/dev/sda1\n");
}

TEST(KernelArguments, UuidsAreAllowedAgainInGrub) {
    EXPECT_EQ(edited("/etc/default/grub", "GRUB_DISABLE_LINUX_UUID=true\nGRUB_DISABLE_UUID="
                                          "\"true\"\n#GRUB_DISABLE_LINUX_UUID=true\n"),
              "GRUB_DISABLE_LINUX_UUID=false\nGRUB_DISABLE_UUID=\"false\"\n#GRUB_DISABLE_LINUX_"
              "UUID=true\n");
    EXPECT_EQ(edited("/etc/default/grub", "GRUB_TIMEOUT=5\n"), "GRUB_TIMEOUT=5\n");
}

TEST(KernelArguments, PartuuidsAreAllowedWhereAKernelHasNoInitramfs) {
    auto guest = one_disk_guest();
    guest.kernels = {{.version = "6.1.0-custom", .image = "/boot/vmlinuz-6.1.0-custom"}};
    guest.files["/etc/default/grub"] = "GRUB_CMDLINE_LINUX=\"root=/dev/sda1\"";
    EXPECT_EQ(
        text_after(guest, kernel_arguments_repair().plan(guest, {}), "/etc/default/grub"),
        "GRUB_CMDLINE_LINUX=\"root=PARTUUID=9f1d2c3b-01\"\nGRUB_DISABLE_LINUX_PARTUUID=false\n");
}

TEST(KernelArguments, RootThatIsNotThereIsABlocker) {
    auto guest = one_disk_guest();
    guest.files["/boot/grub/grub.cfg"] = "linux /vmlinuz root=/dev/sdb7\ninitrd /i\n";
    auto plan = kernel_arguments_repair().plan(guest, {});
    EXPECT_TRUE(plan.actions.empty());
    ASSERT_TRUE(has_finding(plan.findings, "kernel-argument-unsure"));
    EXPECT_EQ(report::worst_of(plan.findings), report::Severity::Blocker);
}

TEST(KernelArguments, RootOnAnotherDiskNumberGoesByPartition) {
    EXPECT_EQ(edited("/boot/grub/grub.cfg", "linux /vmlinuz root=/dev/sdb1\ninitrd /i\n"),
              "linux /vmlinuz root=" + root_name + "\ninitrd /i\n");
}

TEST(KernelArguments, OtherArgumentsThatNameDevicesAreTold) {
    auto guest = one_disk_guest();
    guest.files["/etc/kernel/cmdline"] = "cryptdevice=/dev/sda2:root quiet";
    auto plan = kernel_arguments_repair().plan(guest, {});
    EXPECT_TRUE(plan.actions.empty());
    EXPECT_TRUE(has_finding(plan.findings, "kernel-argument-names-device"));
}

TEST(KernelArguments, SecondRunIsNoOp) {
    auto guest = one_disk_guest();
    guest.files["/boot/grub/grub.cfg"] = "linux /v root=/dev/sda1 resume=/dev/sda5\ninitrd /i\n";
    guest.files["/etc/default/grub"] = "GRUB_CMDLINE_LINUX=root=/dev/sda1\nGRUB_DISABLE_UUID=true";
    for (const auto& action : kernel_arguments_repair().plan(guest, {}).actions)
        guest.files[action.path] = action.content;
    EXPECT_TRUE(kernel_arguments_repair().plan(guest, {}).actions.empty());
}

TEST(StaleFiles, Trap8_SystemDevicesOfLvmIsRemoved) {
    auto guest = one_disk_guest();
    for (const auto* path : {"/etc/lvm/devices/system.devices", "/boot/grub/device.map",
                             "/etc/blkid/blkid.tab", "/etc/lvm/cache/.cache"})
        guest.files[path] = "stale";
    auto plan = stale_files_repair().plan(guest, {});
    EXPECT_EQ(plan.actions.size(), 4U);
    for (const auto& action : plan.actions)
        EXPECT_EQ(action.kind, report::ActionKind::RemoveFile);
    EXPECT_EQ(stale_files_repair().detect(one_disk_guest()).verdict, Verdict::No);
}

} // namespace
} // namespace slipway::repair
