// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "repair/generator.hpp"
#include "repair/repairs.hpp"
#include "repair_guest.hpp"

namespace slipway::repair {
namespace {

using namespace slipway::test;
using report::ActionKind;
using testing::ElementsAre;

report::Plan plan_initramfs(const report::Inventory& guest, const report::Policy& policy = {}) {
    return initramfs_repair().plan(guest, policy);
}

std::vector<report::Action> of_kind(const report::Plan& plan, ActionKind kind) {
    std::vector<report::Action> found;
    for (const auto& action : plan.actions)
        if (action.kind == kind)
            found.push_back(action);
    return found;
}

TEST(InitramfsPlan, Trap2_EveryKernelGetsASegmentRescueToo) {
    auto guest = one_disk_guest();
    guest.kernels = {kernel_without_virtio("5.14.0-70.el9"), kernel_without_virtio("5.14.0-9.el9"),
                     kernel_without_virtio("0-rescue-abc")};
    guest.kernels[2].rescue = true;
    auto segments = of_kind(plan_initramfs(guest), ActionKind::AppendInitramfs);
    ASSERT_EQ(segments.size(), 3U);
    EXPECT_EQ(segments[0].kernel, "5.14.0-70.el9");
    EXPECT_EQ(segments[0].path, "/boot/initrd.img-5.14.0-70.el9");
    EXPECT_EQ(segments[0].modules, guest.kernels[0].missing_modules);
}

TEST(InitramfsPlan, KernelsThatFindVirtioAreLeftAlone) {
    auto guest = one_disk_guest();
    guest.kernels = {kernel_with_virtio("6.1.0-13")};
    guest.kernels.push_back({.version = "6.1.0-builtin", .examined = true, .virtio_builtin = true});
    auto plan = plan_initramfs(guest);
    EXPECT_TRUE(plan.actions.empty());
    EXPECT_TRUE(plan.findings.empty());
    EXPECT_EQ(initramfs_repair().detect(guest).verdict, Verdict::No);
}

TEST(InitramfsPlan, NamesOfTheOldMachineInsideAreCorrected) {
    auto guest = one_disk_guest();
    guest.kernels = {kernel_with_virtio("6.1.0-13"), kernel_without_virtio("6.1.0-9")};
    guest.kernels[0].initramfs_files = {{"conf/conf.d/resume", "# swap\nRESUME=/dev/sda5\n"},
                                        {"etc/cmdline.d/95root.conf", "root=/dev/sda1 quiet"}};
    guest.kernels[1].initramfs_files = {{"conf/conf.d/resume", "RESUME=UUID=0815\n"}};
    auto segments = of_kind(plan_initramfs(guest), ActionKind::AppendInitramfs);
    ASSERT_EQ(segments.size(), 2U);
    EXPECT_TRUE(segments[0].modules.empty());
    EXPECT_EQ(
        segments[0].files,
        (std::map<std::string, std::string>{
            {"conf/conf.d/resume", std::string("# swap\nRESUME=UUID=") + swap_uuid + "\n"},
            {"etc/cmdline.d/95root.conf", std::string("root=UUID=") + root_uuid + " quiet"}}));
    EXPECT_EQ(segments[0].changes.size(), 2U);
    EXPECT_FALSE(segments[1].modules.empty());
    EXPECT_TRUE(segments[1].files.empty());
}

TEST(InitramfsPlan, WhatIsLeftInsideIsTold) {
    auto guest = one_disk_guest();
    guest.kernels = {kernel_with_virtio("6.1.0-13"), kernel_with_virtio("6.1.0-9")};
    guest.kernels[0].initramfs_files = {{"conf/conf.d/resume", "RESUME=/dev/sda2\n"}};
    guest.kernels[1].initramfs_files = {{"etc/cmdline.d/95root.conf", "root=/dev/loop3p1\n"}};
    auto findings = judge_kernels(guest);
    ASSERT_EQ(findings.size(), 2U);
    EXPECT_EQ(findings[0].id, "unstable-kernel-argument");
    EXPECT_EQ(findings[0].where, "conf/conf.d/resume in /boot/initrd.img-6.1.0-13 line 1");
    EXPECT_EQ(findings[1].id, "host-device-in-boot-file");
}

TEST(InitramfsPlan, UnexaminedKernelsAreUnsure) {
    auto guest = one_disk_guest();
    guest.kernels = {{.version = "6.1.0-13", .initramfs = "/boot/initrd.img-6.1.0-13"}};
    EXPECT_EQ(initramfs_repair().detect(guest).verdict, Verdict::Unsure);
    EXPECT_TRUE(plan_initramfs(guest).actions.empty());
}

TEST(InitramfsPlan, WhatCannotBeMendedIsABlockerForTheDefaultKernel) {
    auto guest = one_disk_guest();
    guest.kernels = {kernel_without_virtio("6.1.0-13"), kernel_without_virtio("6.1.0-9")};
    guest.kernels[0].missing_modules.clear();
    guest.kernels[0].initramfs_error = "this kernel has no virtio_blk";
    auto plan = plan_initramfs(guest);
    ASSERT_EQ(plan.findings.size(), 1U);
    EXPECT_EQ(plan.findings[0].severity, report::Severity::Blocker);
    EXPECT_EQ(of_kind(plan, ActionKind::AppendInitramfs).size(), 1U);
}

TEST(InitramfsPlan, DebianKeepsItsModulesAndGetsOurs) {
    auto guest = one_disk_guest();
    guest.kernels = {kernel_without_virtio("6.1.0-13")};
    guest.files["/etc/initramfs-tools/modules"] = "# List\nvirtio_blk\nloop max_loop=8";
    EXPECT_EQ(text_after(guest, plan_initramfs(guest), "/etc/initramfs-tools/modules"),
              "# List\nvirtio_blk\nloop max_loop=8\n# Disks on virtio (added by "
              "slipway)\nvirtio_pci\nvirtio_scsi\n");
}

TEST(InitramfsPlan, DracutGetsADropIn) {
    auto guest = one_disk_guest();
    guest.initramfs_generator = "dracut";
    guest.kernels = {kernel_without_virtio("5.14.0-70")};
    EXPECT_THAT(
        text_after(guest, plan_initramfs(guest), "/etc/dracut.conf.d/50-slipway-virtio.conf"),
        testing::HasSubstr("\nadd_drivers+=\" virtio_pci virtio_blk virtio_scsi \"\n"));
}

TEST(InitramfsPlan, MkinitcpioKeepsItsStyleOfList) {
    auto guest = one_disk_guest();
    guest.initramfs_generator = "mkinitcpio";
    guest.kernels = {kernel_without_virtio("6.6.1-arch1-1")};
    const std::string path = "/etc/mkinitcpio.conf", ours = "virtio_pci virtio_blk virtio_scsi";
    auto after = [&](const std::string& before) {
        guest.files[path] = before;
        return text_after(guest, plan_initramfs(guest), path);
    };
    EXPECT_EQ(after("# c\nMODULES=()\nHOOKS=(base)\n"),
              "# c\nMODULES=(" + ours + ")\nHOOKS=(base)\n");
    EXPECT_EQ(after("MODULES=(btrfs)\n"), "MODULES=(btrfs " + ours + ")\n");
    EXPECT_EQ(after("MODULES=\"btrfs\"\n"), "MODULES=\"btrfs " + ours + "\"\n");
    EXPECT_EQ(after("MODULES=btrfs\n"), "MODULES=\"btrfs " + ours + "\"\n");
    EXPECT_EQ(after("HOOKS=(base)"), "HOOKS=(base)\nMODULES+=(" + ours + ")\n");
    EXPECT_EQ(after("MODULES=(" + ours + ")\n"), "MODULES=(" + ours + ")\n");
}

TEST(InitramfsPlan, RegenerationRunsForEveryKernelAndOverridesDep) {
    auto guest = one_disk_guest();
    guest.kernels = {kernel_without_virtio("6.1.0-13-amd64"), kernel_with_virtio("6.1.0-9-amd64")};
    guest.files["/etc/initramfs-tools/initramfs.conf"] = "MODULES=most\n";
    guest.files["/etc/initramfs-tools/conf.d/driver-policy"] = "MODULES=dep\n";
    auto plan = plan_initramfs(guest, {.regen_initramfs = true});
    ASSERT_EQ(plan.actions.size(), 5U);
    EXPECT_EQ(plan.actions[0].path, "/etc/initramfs-tools/modules");
    EXPECT_EQ(plan.actions[1].path, "/etc/initramfs-tools/conf.d/zz-slipway-modules");
    EXPECT_THAT(plan.actions[2].argv,
                ElementsAre("update-initramfs", "-u", "-k", "6.1.0-13-amd64"));
    EXPECT_THAT(plan.actions[3].argv, ElementsAre("update-initramfs", "-u", "-k", "6.1.0-9-amd64"));
    EXPECT_EQ(plan.actions[4].kind, ActionKind::RemoveFile);
    EXPECT_EQ(plan.actions[4].path, plan.actions[1].path);
}

TEST(InitramfsPlan, DracutIsAskedOnlyForModulesThatTheKernelHas) {
    auto guest = one_disk_guest();
    guest.initramfs_generator = "dracut";
    guest.os.distro = "opensuse-leap";
    guest.kernels = {kernel_without_virtio("5.14.21-150500-default")};
    guest.kernels[0].initramfs = "/boot/initrd-5.14.21-150500-default";
    guest.kernels[0].missing_modules = {"virtio_blk", "virtio_pci"};
    auto runs = of_kind(plan_initramfs(guest, {.regen_initramfs = true}), ActionKind::RunTool);
    ASSERT_EQ(runs.size(), 1U);
    EXPECT_THAT(runs[0].argv,
                ElementsAre("dracut", "--force", "--no-hostonly", "--add-drivers",
                            "virtio_blk virtio_pci", "/boot/initrd-5.14.21-150500-default",
                            "5.14.21-150500-default"));
}

TEST(InitramfsPlan, ImagesThatAreAbsentGetTheNameOfTheDistribution) {
    auto guest = one_disk_guest();
    guest.initramfs_generator = "dracut";
    guest.os = {.distro = "sles", .like = {"suse"}};
    guest.kernels = {kernel_without_virtio("5.3.18-default")};
    guest.kernels[0].initramfs.clear();
    auto runs = of_kind(plan_initramfs(guest, {.regen_initramfs = true}), ActionKind::RunTool);
    ASSERT_EQ(runs.size(), 1U);
    EXPECT_EQ(runs[0].path, "/boot/initrd-5.3.18-default");
    guest.os = {.distro = "rhel"};
    runs = of_kind(plan_initramfs(guest, {.regen_initramfs = true}), ActionKind::RunTool);
    EXPECT_EQ(runs.at(0).path, "/boot/initramfs-5.3.18-default.img");
}

TEST(InitramfsPlan, ForeignArchitectureFallsBackToSegments) {
    auto guest = one_disk_guest();
    guest.kernels = {kernel_without_virtio("6.1.0-13-arm64")};
    auto plan = plan_initramfs(guest, {.regen_initramfs = true, .may_run_guest_programs = false});
    EXPECT_EQ(of_kind(plan, ActionKind::AppendInitramfs).size(), 1U);
    EXPECT_TRUE(of_kind(plan, ActionKind::RunTool).empty());
    EXPECT_TRUE(has_finding(plan.findings, "initramfs-not-regenerated"));
}

TEST(InitramfsPlan, NoGeneratorFallsBackToSegments) {
    auto guest = one_disk_guest();
    guest.initramfs_generator.clear();
    guest.kernels = {kernel_without_virtio("6.1.0-13")};
    auto plan = plan_initramfs(guest, {.regen_initramfs = true});
    EXPECT_EQ(of_kind(plan, ActionKind::AppendInitramfs).size(), 1U);
    EXPECT_TRUE(has_finding(plan.findings, "initramfs-not-regenerated"));
    guest.initramfs_generator = "mkinitrd";
    EXPECT_EQ(of_kind(plan_initramfs(guest, {.regen_initramfs = true}), ActionKind::AppendInitramfs)
                  .size(),
              1U);
}

TEST(InitramfsPlan, Trap10_OddKernelVersionsAreNeverArguments) {
    for (const std::string version :
         {"6.1`; rm -rf /`", "-k", "../../etc", "a b", "", ".", "6.1$(x)", "6.1\n2", "a/b"}) {
        EXPECT_FALSE(is_plain_version(version)) << version;
        auto guest = one_disk_guest();
        guest.kernels = {kernel_without_virtio(version)};
        for (bool regen : {false, true}) {
            auto plan = plan_initramfs(guest, {.regen_initramfs = regen});
            EXPECT_TRUE(of_kind(plan, ActionKind::RunTool).empty()) << version;
            EXPECT_TRUE(of_kind(plan, ActionKind::AppendInitramfs).empty()) << version;
            EXPECT_TRUE(has_finding(plan.findings, "odd-kernel-version")) << version;
        }
    }
    for (const std::string version :
         {"6.1.0-13-amd64", "5.14.0-70.13.1.el9_0.x86_64", "6.6.1-arch1-1", "6.8.0~rc1+deb13"})
        EXPECT_TRUE(is_plain_version(version)) << version;
}

TEST(InitramfsPlan, LittleSpaceInBootIsToldBeforeARegeneration) {
    auto guest = one_disk_guest();
    guest.volumes[0].used = guest.volumes[0].size - (20 << 20);
    guest.kernels = {kernel_without_virtio("6.1.0-13")};
    EXPECT_TRUE(
        has_finding(plan_initramfs(guest, {.regen_initramfs = true}).findings, "little-space"));
    EXPECT_FALSE(has_finding(plan_initramfs(guest).findings, "little-space"));
}

TEST(JudgeKernels, Trap2_NewestKernelDecidesAndOthersWarn) {
    auto guest = one_disk_guest();
    guest.kernels = {kernel_with_virtio("5.14.0-70"), kernel_without_virtio("5.14.0-9")};
    auto findings = judge_kernels(guest);
    ASSERT_EQ(findings.size(), 1U);
    EXPECT_EQ(findings[0].severity, report::Severity::Warning);
    std::swap(guest.kernels[0], guest.kernels[1]);
    EXPECT_EQ(report::worst_of(judge_kernels(guest)), report::Severity::Blocker);
}

TEST(JudgeKernels, SavedEntryOfGrubIsTheDefault) {
    auto guest = one_disk_guest();
    guest.kernels = {kernel_with_virtio("5.14.0-70"), kernel_without_virtio("5.14.0-9")};
    guest.files["/etc/default/grub"] = "GRUB_DEFAULT=saved\n";
    std::string block = "# GRUB Environment Block\nsaved_entry=0123abcd-5.14.0-9\n";
    block.resize(1024, '#');
    guest.files["/boot/grub2/grubenv"] = block;
    EXPECT_EQ(report::worst_of(judge_kernels(guest)), report::Severity::Blocker);
}

TEST(JudgeKernels, NoKernelAtAllIsTold) {
    EXPECT_TRUE(has_finding(judge_kernels(one_disk_guest()), "no-kernel"));
}

TEST(GrubConfig, RunsTheGuestsToolWithoutOsProber) {
    auto guest = one_disk_guest();
    guest.boot_loader = {.kind = "grub2",
                         .grub_config = "/boot/grub2/grub.cfg",
                         .mkconfig = "/usr/sbin/grub2-mkconfig"};
    auto plan = grub_config_repair().plan(guest, {.update_grub = true});
    ASSERT_EQ(plan.actions.size(), 1U);
    EXPECT_THAT(plan.actions[0].argv,
                ElementsAre("/usr/sbin/grub2-mkconfig", "-o", "/boot/grub2/grub.cfg"));
    EXPECT_THAT(plan.actions[0].env, ElementsAre("GRUB_DISABLE_OS_PROBER=true"));
    EXPECT_EQ(plan.actions[0].path, "/boot/grub2/grub.cfg");
    guest.boot_loader.mkconfig = "/usr/sbin/update-grub";
    EXPECT_THAT(grub_config_repair().plan(guest, {.update_grub = true}).actions.at(0).argv,
                ElementsAre("/usr/sbin/update-grub"));
    EXPECT_TRUE(grub_config_repair().plan(guest, {}).actions.empty());
}

TEST(GrubConfig, AMissingConfigurationIsDetected) {
    auto guest = one_disk_guest();
    guest.boot_loader = {
        .kind = "grub2", .grub_config = "/boot/grub/grub.cfg", .mkconfig = "/usr/sbin/update-grub"};
    EXPECT_EQ(grub_config_repair().detect(guest).verdict, Verdict::Yes);
    guest.files["/boot/grub/grub.cfg"] = "set default=0\n";
    EXPECT_EQ(grub_config_repair().detect(guest).verdict, Verdict::No);
}

TEST(GrubConfig, Trap4_StubOfAnEspIsNeverRegenerated) {
    auto guest = one_disk_guest();
    guest.boot_loader = {.kind = "grub2",
                         .grub_config = "/boot/efi/EFI/fedora/grub.cfg",
                         .mkconfig = "/usr/sbin/grub2-mkconfig"};
    guest.files["/boot/efi/EFI/fedora/grub.cfg"] =
        "search --fs-uuid --set=dev x\nset prefix=($dev)/grub2\nconfigfile $prefix/grub.cfg\n";
    auto plan = plan_all(guest, {.update_grub = true});
    EXPECT_TRUE(plan.actions.empty());
    EXPECT_TRUE(has_finding(plan.findings, "grub-not-regenerated"));
}

TEST(GrubConfig, ObstaclesAreTold) {
    auto guest = one_disk_guest();
    EXPECT_TRUE(has_finding(grub_config_repair().plan(guest, {.update_grub = true}).findings,
                            "grub-not-regenerated"));
    guest.boot_loader = {.kind = "grub2",
                         .grub_config = "/boot/grub2/grub.cfg",
                         .mkconfig = "/usr/sbin/grub2-mkconfig"};
    EXPECT_TRUE(grub_config_repair()
                    .plan(guest, {.update_grub = true, .may_run_guest_programs = false})
                    .actions.empty());
    guest.os.distro = "sle-micro";
    EXPECT_TRUE(grub_config_repair().plan(guest, {.update_grub = true}).actions.empty());
}

} // namespace
} // namespace slipway::repair
