// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "image/format.hpp"
#include "image/layout.hpp"

using namespace slipway;
using namespace slipway::image;

namespace {

constexpr auto descriptor_head =
    "# Disk "
    "DescriptorFile\nversion=1\nCID=fffffffe\nparentCID=ffffffff\ncreateType=\"monolithicFlat\"\n";

Result<Probe> probe_text(std::string_view text) {
    auto file = sys::make_memfd("test", text);
    return probe_format(*file);
}

std::string qcow2_header(std::string_view backing) {
    std::string head(512, '\0');
    head.replace(0, 4, "QFI\xfb");
    head[7] = 3;
    head[100 + 3] = 104;
    if (!backing.empty()) {
        head[8 + 6] = 1; // offset 256
        head[16 + 3] = static_cast<char>(backing.size());
        head.replace(256, backing.size(), backing);
    }
    return head;
}

} // namespace

TEST(VmdkDescriptor, ListsItsExtents) {
    auto probe = parse_vmdk_descriptor(std::string(descriptor_head) +
                                       "RW 4192256 FLAT \"my disk-f001.vmdk\" 0\r\nRW 128 ZERO\n");
    ASSERT_TRUE(probe);
    EXPECT_EQ(probe->create_type, "monolithicFlat");
    ASSERT_EQ(probe->extents.size(), 2U);
    EXPECT_EQ(probe->extents[0].file, "my disk-f001.vmdk");
    EXPECT_EQ(probe->extents[0].sectors, 4192256U);
    EXPECT_EQ(probe->extents[1].type, "ZERO");
}

TEST(VmdkDescriptor, Trap10_ExtentsThatLeaveTheDirectoryAreRefused) {
    for (const auto* name : {"../secret", "/etc/shadow", "..", "nbd:host:1", "a/b"}) {
        auto probe =
            parse_vmdk_descriptor(std::string(descriptor_head) + "RW 1 FLAT \"" + name + "\" 0\n");
        ASSERT_FALSE(probe) << name;
        EXPECT_EQ(probe.error().code, Code::InvalidArgument) << name;
    }
}

TEST(VmdkDescriptor, WithoutExtentsOrWithBrokenOnesIsCorrupt) {
    EXPECT_FALSE(parse_vmdk_descriptor(descriptor_head));
    EXPECT_FALSE(parse_vmdk_descriptor(std::string(descriptor_head) + "RW many FLAT \"x\" 0\n"));
    EXPECT_FALSE(parse_vmdk_descriptor(std::string(descriptor_head) + "RW 1 FLAT \"x\n"));
}

TEST(Probe, Qcow2NamesItsBackingFile) {
    auto probe = probe_text(qcow2_header("/etc/shadow"));
    ASSERT_TRUE(probe);
    EXPECT_EQ(probe->format, Format::Qcow2);
    EXPECT_EQ(probe->backing_file, "/etc/shadow");
    EXPECT_TRUE(probe_text(qcow2_header(""))->backing_file.empty());
}

TEST(Probe, Qcow2OfAnUnknownVersionIsCorruptAndSaysHowToGoOn) {
    auto head = qcow2_header("");
    head[7] = 9;
    auto probe = probe_text(head);
    ASSERT_FALSE(probe);
    EXPECT_EQ(probe.error().code, Code::Corrupt);
    EXPECT_NE(probe.error().hint.find("--source-format raw"), std::string::npos);
}

TEST(Probe, FormatsAreToldByContent) {
    EXPECT_EQ(probe_text("vhdxfile" + std::string(600, '\0'))->format, Format::Vhdx);
    EXPECT_EQ(probe_text("conectix" + std::string(600, '\0'))->format, Format::Vpc);
    EXPECT_EQ(probe_text(std::string(1024, '\0') + "conectix" + std::string(504, '\0'))->format,
              Format::Vpc);
    EXPECT_EQ(probe_text(std::string(4096, '\0'))->format, Format::Raw);
}

TEST(Probe, ForcedRawReadsNoHeader) {
    auto file = sys::make_memfd("test", qcow2_header("/etc/shadow"));
    auto probe = probe_format(*file, Format::Raw);
    ASSERT_TRUE(probe);
    EXPECT_EQ(probe->format, Format::Raw);
    EXPECT_TRUE(probe->backing_file.empty());
}

TEST(DiskNames, GoOnAfterZ) {
    EXPECT_EQ(disk_name(0), "sda");
    EXPECT_EQ(disk_name(25), "sdz");
    EXPECT_EQ(disk_name(26), "sdaa");
    EXPECT_EQ(disk_name(701, "vd"), "vdzz");
    EXPECT_EQ(disk_name(702, "vd"), "vdaaa");
}
