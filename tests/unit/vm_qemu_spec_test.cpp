// SPDX-License-Identifier: Apache-2.0
// Snapshots in tests/fixtures/vm; SLIPWAY_ACCEPT=1 writes them anew.
#include <cstdlib>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/strings.hpp"
#include "sys/fd.hpp"
#include "vm/qemu_spec.hpp"

namespace slipway::vm {
namespace {

void expect_snapshot(const QemuSpec& spec, const std::string& name) {
    auto path = std::string(SLIPWAY_SOURCE_DIR "/tests/fixtures/vm/") + name + ".txt";
    auto text = join(qemu_argv(spec), "\n") + "\n";
    if (std::getenv("SLIPWAY_ACCEPT") != nullptr) {
        ASSERT_TRUE(sys::write_file(path, text));
    }
    auto expected = sys::read_file(path);
    ASSERT_TRUE(expected) << path;
    EXPECT_EQ(text, *expected);
}

DiskSpec overlay_on(Bus bus) {
    Json base{{"driver", "raw"}, {"file", {{"driver", "file"}, {"filename", "/proc/self/fd/20"}}}};
    Json file{{"driver", "file"}, {"filename", "/proc/self/fd/21"}, {"locking", "off"}};
    return {{{"driver", "qcow2"}, {"read-only", false}, {"file", file}, {"backing", base}}, bus};
}

TEST(QemuSpec, BootsAVirtioDiskByItsBoot) {
    expect_snapshot({.disks = {overlay_on(Bus::Virtio)}}, "bios-virtio");
}

TEST(QemuSpec, BootsASataDiskUnderUefi) {
    expect_snapshot({.accelerator = "kvm",
                     .disks = {overlay_on(Bus::Sata)},
                     .uefi = UefiFiles{"/usr/share/OVMF/OVMF_CODE_4M.fd", "/proc/self/fd/40"}},
                    "uefi-sata-kvm");
}

TEST(QemuSpec, LoadsAKernelItselfBesideAScsiDisk) {
    expect_snapshot({.disks = {overlay_on(Bus::Scsi)},
                     .direct = DirectKernel{"/proc/self/fd/41", "/proc/self/fd/42",
                                            "root=/dev/sda1 ro console=ttyS0"}},
                    "direct-scsi");
}

TEST(QemuSpec, TalksWithASandboxOverAPortAndKeepsWhatIsFlushed) {
    auto image = overlay_on(Bus::Virtio);
    image.throw_away = false;
    DiskSpec window{.node = {{"driver", "raw"}, {"file", {{"driver", "file"}, {"filename", "/w"}}}},
                    .serial = "slipway-window"};
    expect_snapshot({.cpus = 1,
                     .disks = {image, window},
                     .direct = DirectKernel{"/proc/self/fd/41", "/proc/self/fd/42",
                                            "console=ttyS0 panic=-1 -- --sandbox"},
                     .may_restart = false,
                     .control_fd = 40,
                     .loud_firmware = false},
                    "sandbox");
}

TEST(QemuSpec, GivesADiskLargeSectors) {
    auto image = overlay_on(Bus::Virtio);
    image.block_size = 4096;
    auto argv = qemu_argv({.disks = {image}});
    EXPECT_THAT(argv, testing::Contains(
                          testing::HasSubstr("logical_block_size=4096,physical_block_size=4096")));
}

TEST(QemuSpec, SharesDirectories) {
    expect_snapshot(
        {.shares = {{.path = "/proc/self/fd/20", .tag = "share0"},
                    {.path = "/proc/self/fd/21",
                     .tag = "share1",
                     .writable = true,
                     .changes_owners = true}},
         .direct = DirectKernel{"/proc/self/fd/41", "/proc/self/fd/42", "console=ttyS0"}},
        "shares");
}

TEST(QemuSpec, NamesReadBack) {
    for (auto bus : {Bus::Virtio, Bus::Sata, Bus::Scsi})
        EXPECT_EQ(*parse_bus(name_of(bus)), bus);
    EXPECT_EQ(parse_bus("floppy").error().code, Code::InvalidArgument);
    EXPECT_EQ(parse_firmware("coreboot").error().code, Code::InvalidArgument);
}

} // namespace
} // namespace slipway::vm
