// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <filesystem>
#include <map>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "enter/guest_machine.hpp"
#include "enter/root_state.hpp"

using namespace slipway;
using namespace slipway::enter;
using ::testing::Contains;
using ::testing::Field;
using ::testing::IsEmpty;
using ::testing::Not;

namespace {

RootSpec two_disks() {
    return {.directory = "/guest",
            .disks = {{.name = "vda", .device = makedev(7, 4), .size = 10 << 20, .serial = "A1"},
                      {.name = "sdb", .device = makedev(7, 5), .size = 4 << 20}},
            .partitions = {{.name = "vda1",
                            .disk = "vda",
                            .number = 1,
                            .device = makedev(259, 0),
                            .start = 1 << 20,
                            .size = 2 << 20,
                            .uuid = "11-22",
                            .label = "my root/x",
                            .partuuid = "aa-01",
                            .partlabel = "Linux\nroot"},
                           {.name = "vda2",
                            .disk = "vda",
                            .number = 2,
                            .device = makedev(259, 1),
                            .start = 3 << 20,
                            .size = 1 << 20,
                            .uuid = "11-22"},
                           {.name = "sdb",
                            .disk = "sdb",
                            .number = 0,
                            .device = makedev(7, 5),
                            .size = 4 << 20,
                            .label = "whole"}}};
}

const Step* find_step(const Script& script, const std::string& target) {
    auto found = std::find_if(script.begin(), script.end(),
                              [&](const Step& step) { return step.target == target; });
    return found == script.end() ? nullptr : &*found;
}

std::map<std::string, TreeEntry> by_path(const Tree& tree) {
    std::map<std::string, TreeEntry> entries;
    for (const auto& entry : tree)
        entries.emplace(entry.path, entry);
    return entries;
}

TEST(GuestMachine, ProcPartitionsListsTheGuestsDisksOnlyAsTheKernelPrintsThem) {
    EXPECT_EQ(render_proc_partitions(two_disks()), "major minor  #blocks  name\n\n"
                                                   "   7        4      10240 vda\n"
                                                   " 259        0       2048 vda1\n"
                                                   " 259        1       1024 vda2\n"
                                                   "   7        5       4096 sdb\n");
    EXPECT_EQ(render_proc_diskstats(two_disks()).substr(0, 55),
              "   7       4 vda 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n 259");
}

TEST(GuestMachine, UdevNamesAreEscapedAsUdevDoes) {
    EXPECT_EQ(encode_udev_name("my root/x"), "my\\x20root\\x2fx");
    EXPECT_EQ(encode_udev_name("EFI#+-.:=@_\\"), "EFI#+-.:=@_\\x5c");
    EXPECT_EQ(encode_udev_name("Gr\u00fcn"), "Gr\u00fcn");
    EXPECT_EQ(encode_udev_name("\xff\xc3"), "\\xff\\xc3");
    EXPECT_EQ(encode_udev_name("../../etc"), "..\\x2f..\\x2fetc");
}

TEST(GuestMachine, DevHasTheGuestsNodesAndLinksAndNoneOfTheHost) {
    auto script = plan_dev(two_disks());
    ASSERT_NE(find_step(script, "/dev/vda1"), nullptr);
    EXPECT_EQ(find_step(script, "/dev/vda1")->device, makedev(259, 0));
    EXPECT_TRUE(S_ISBLK(find_step(script, "/dev/vda1")->mode));
    EXPECT_EQ(find_step(script, "/dev/disk/by-label/my\\x20root\\x2fx")->source, "../../vda1");
    EXPECT_EQ(find_step(script, "/dev/disk/by-label/whole")->source, "../../sdb");
    EXPECT_EQ(find_step(script, "/dev/disk/by-partuuid/aa-01")->source, "../../vda1");
    EXPECT_EQ(find_step(script, "/dev/block/259:1")->source, "../vda2");
    for (const auto* name :
         {"/dev/mem", "/dev/kmsg", "/dev/console", "/dev/loop-control", "/dev/fuse"})
        EXPECT_EQ(find_step(script, name), nullptr) << name;
    EXPECT_EQ(find_step(script, "/dev")->options.find("mode=0755"), 0U);
}

TEST(GuestMachine, OfTwoPartitionsWithOneUuidTheFirstKeepsTheLink) {
    auto script = plan_dev(two_disks());
    EXPECT_EQ(find_step(script, "/dev/disk/by-uuid/11-22")->source, "../../vda1");
    EXPECT_EQ(
        std::count_if(script.begin(), script.end(),
                      [](const Step& step) { return step.target == "/dev/disk/by-uuid/11-22"; }),
        1);
}

TEST(GuestMachine, ALabelThatIsTooLongForALinkIsLeftOut) {
    auto spec = two_disks();
    spec.partitions[1].label = std::string(64, '/');
    EXPECT_EQ(encode_udev_name(spec.partitions[1].label).size(), 256U);
    for (const auto& step : plan_dev(spec))
        EXPECT_LE(std::filesystem::path(step.target).filename().string().size(), 255U);
}

TEST(GuestMachine, AWholeDiskFilesystemHasOneNodeOnly) {
    auto script = plan_dev(two_disks());
    EXPECT_EQ(std::count_if(script.begin(), script.end(),
                            [](const Step& step) { return step.target == "/dev/sdb"; }),
              1);
}

TEST(ProcMasks, WhatIsNotKnownToBeHarmlessIsCovered) {
    std::vector<ProcEntry> entries{{.name = "cpuinfo"},
                                   {.name = "sys", .directory = true},
                                   {.name = "self", .link = true},
                                   {.name = "kcore"},
                                   {.name = "bus", .directory = true},
                                   {.name = "partitions"},
                                   {.name = "vendor_debug"},
                                   {.name = "sysrq-trigger"}};
    auto script = plan_proc_masks(entries);
    EXPECT_EQ(find_step(script, "/proc/cpuinfo"), nullptr);
    EXPECT_EQ(find_step(script, "/proc/self"), nullptr);
    EXPECT_EQ(find_step(script, "/proc/sys")->kind, StepKind::ReadOnly);
    EXPECT_EQ(find_step(script, "/proc/kcore")->source, empty_file);
    EXPECT_EQ(find_step(script, "/proc/vendor_debug")->source, empty_file);
    EXPECT_EQ(find_step(script, "/proc/sysrq-trigger")->source, empty_file);
    EXPECT_EQ(find_step(script, "/proc/bus")->source, empty_directory);
    EXPECT_EQ(find_step(script, "/proc/partitions")->source, "proc/partitions");
}

TEST(SysTree, EveryLinkLeadsToSomethingInTheTree) {
    auto tree = plan_sys_tree(two_disks(), {"0-1", "0-3", "0-1"});
    auto entries = by_path(tree);
    int links = 0;
    for (const auto& entry : tree) {
        if (entry.kind != TreeEntry::Kind::Link)
            continue;
        auto target = (std::filesystem::path(entry.path).parent_path() / entry.text)
                          .lexically_normal()
                          .string();
        auto exists = std::any_of(tree.begin(), tree.end(), [&](const TreeEntry& other) {
            return other.path == target || other.path.starts_with(target + "/");
        });
        EXPECT_TRUE(exists) << entry.path << " -> " << entry.text;
        EXPECT_TRUE(target.starts_with("sys/")) << target;
        ++links;
    }
    EXPECT_GT(links, 15);
}

TEST(SysTree, PartitionsCarryWhatToolsRead) {
    auto entries = by_path(plan_sys_tree(two_disks(), {}));
    const std::string vda1 = "sys/devices/pci0000:00/0000:00:04.0/virtio0/block/vda/vda1";
    EXPECT_EQ(entries.at(vda1 + "/dev").text, "259:0\n");
    EXPECT_EQ(entries.at(vda1 + "/start").text, "2048\n");
    EXPECT_EQ(entries.at(vda1 + "/size").text, "4096\n");
    EXPECT_EQ(entries.at(vda1 + "/partition").text, "1\n");
    // A label with a newline cannot add lines of its own.
    EXPECT_EQ(entries.at(vda1 + "/uevent").text,
              "MAJOR=259\nMINOR=0\nDEVNAME=vda1\nDEVTYPE=partition\nPARTN=1\n");
    EXPECT_EQ(entries.at("sys/class/block/vda1").text,
              "../../devices/pci0000:00/0000:00:04.0/virtio0/block/vda/vda1");
    EXPECT_TRUE(entries.contains("sys/devices/virtual/block/sdb/queue/logical_block_size"));
    EXPECT_FALSE(entries.contains("sys/devices/virtual/block/sdb/sdb/dev"));
}

TEST(SysTree, Trap4_TheFirmwareIsTheGuests) {
    auto bios = two_disks();
    EXPECT_THAT(plan_sys_tree(bios, {}),
                Not(Contains(Field(&TreeEntry::path, "sys/firmware/efi/fw_platform_size"))));
    bios.uefi = true;
    EXPECT_THAT(plan_sys_tree(bios, {}),
                Contains(Field(&TreeEntry::path, "sys/firmware/efi/fw_platform_size")));
}

TEST(UdevDatabase, HasWhatUdevWouldKnowAndNoLinesOfALabel) {
    auto entries = by_path(plan_udev_database(two_disks()));
    EXPECT_EQ(entries.at("udev/data/b259:0").text,
              "I:1\nE:ID_FS_UUID=11-22\nE:ID_FS_UUID_ENC=11-22\n"
              "E:ID_FS_LABEL=my\\x20root\\x2fx\nE:ID_FS_LABEL_ENC=my\\x20root\\x2fx\n"
              "E:ID_PART_ENTRY_UUID=aa-01\nE:ID_PART_ENTRY_NAME=Linux\\x0aroot\n"
              "E:ID_PART_ENTRY_NUMBER=1\nV:1\n");
    EXPECT_TRUE(entries.contains("udev/data/b7:5"));
}

TEST(NeedsMounts, KnowsTheToolsByBasenameThroughEveryFrontEnd) {
    for (const auto* tool :
         {"grub2-mkconfig", "grub-mkconfig", "update-grub", "update-grub2", "grub2-install",
          "grub-install", "grub2-probe", "grub-probe", "dracut", "update-initramfs", "mkinitrd",
          "mkinitcpio", "kernel-install", "bootctl", "grubby"}) {
        EXPECT_TRUE(needs_mounts(tool)) << tool;
        EXPECT_TRUE(needs_mounts(std::string("/usr/sbin/") + tool)) << tool;
    }
    EXPECT_TRUE(needs_mounts(std::vector<std::string>{"env", "X=1", "update-grub"}));
    EXPECT_TRUE(needs_mounts(
        std::vector<std::string>{"sh", "-c", "cd /; LANG=C update-initramfs -u&&true"}));
    EXPECT_TRUE(needs_mounts(std::vector<std::string>{"nice", "-n5", "/sbin/dracut", "-f"}));
    EXPECT_FALSE(needs_mounts("cat"));
    EXPECT_FALSE(needs_mounts("my-dracut"));
    EXPECT_FALSE(needs_mounts(std::vector<std::string>{"cat", "/etc/dracut.conf"}));
    EXPECT_FALSE(needs_mounts(std::vector<std::string>{}));
}

TEST(Covers, APlainCommandDoesNotSeeWhatTheCallerMountedThere) {
    auto script = plan_covers("/guest", {"/guest", "/guest/proc", "/guest/dev/pts",
                                         "/guest/procession", "/elsewhere/sys"});
    // /dev is ours in any case.
    ASSERT_EQ(script.size(), 1U);
    EXPECT_EQ(script[0].target, "/proc");
    EXPECT_NE(script[0].flags & MS_RDONLY, 0U);
}

class ResolvConf : public ::testing::Test {
protected:
    void SetUp() override {
        ASSERT_NE(::mkdtemp(directory_.data()), nullptr);
        std::filesystem::create_directories(directory_ + "/etc");
    }
    void TearDown() override { std::filesystem::remove_all(directory_); }
    Script plan() {
        auto root = sys::RootDir::open(directory_);
        return plan_resolv_conf(*root, "nameserver 192.0.2.1\n");
    }
    void link(const std::string& target) {
        std::filesystem::create_symlink(target, directory_ + "/etc/resolv.conf");
    }
    std::string directory_ = "/tmp/enter-resolv-XXXXXX";
};

TEST_F(ResolvConf, AFileIsCovered) {
    ASSERT_TRUE(sys::write_file(directory_ + "/etc/resolv.conf", "search guest\n"));
    auto script = plan();
    ASSERT_EQ(script.size(), 1U);
    EXPECT_EQ(script[0].kind, StepKind::Bind);
    EXPECT_EQ(script[0].target, "/etc/resolv.conf");
}

TEST_F(ResolvConf, ADanglingLinkIntoRunGetsItsTarget) {
    link("../run/systemd/resolve/stub-resolv.conf");
    auto script = plan();
    ASSERT_EQ(script.size(), 3U);
    EXPECT_EQ(script[0].target, "/run/systemd");
    EXPECT_EQ(script[1].target, "/run/systemd/resolve");
    EXPECT_EQ(script[2].target, "/run/systemd/resolve/stub-resolv.conf");
    EXPECT_EQ(script[2].source, "nameserver 192.0.2.1\n");
}

TEST_F(ResolvConf, VarRunIsRun) {
    link("/var/run/NetworkManager/resolv.conf");
    EXPECT_THAT(plan(), Contains(Field(&Step::target, "/run/NetworkManager/resolv.conf")));
}

TEST_F(ResolvConf, NothingIsMadeOutsideOfRun) {
    EXPECT_THAT(plan(), IsEmpty());
    link("../../../../../etc/shadow-that-is-not-there");
    EXPECT_THAT(plan(), IsEmpty());
}

} // namespace
