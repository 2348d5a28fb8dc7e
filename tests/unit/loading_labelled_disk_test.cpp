// SPDX-License-Identifier: Apache-2.0
#include "loading/labelled_disk.hpp"

#include <gtest/gtest.h>

#include "loading/store.hpp"

namespace slipway::loading {
namespace {

std::string head_with(std::size_t at, const std::string& text) {
    return std::string(head_size, '\0').replace(at, text.size(), text);
}

TEST(LabelledDisk, LabelsWhereEachFilesystemHasThem) {
    EXPECT_EQ(label_of(head_with(0x478, "IMAGES"), ImageFormat::Ext4), "IMAGES");
    EXPECT_EQ(label_of(head_with(0x478, "0123456789abcdefgh"), ImageFormat::Ext4),
              "0123456789abcdef");
    EXPECT_EQ(label_of(head_with(108, "xfs label"), ImageFormat::Xfs), "xfs label");
    EXPECT_EQ(label_of(head_with(0x1012b, "btrfs"), ImageFormat::Btrfs), "btrfs");
    EXPECT_EQ(label_of(head_with(0, ""), ImageFormat::Ext4), "");
    EXPECT_EQ(label_of("short", ImageFormat::Btrfs), "");
    EXPECT_EQ(label_of(head_with(0x478, "IMAGES"), ImageFormat::Squashfs), "");
}

TEST(LabelledDisk, WhatFsckHasToRepairIsKnown) {
    EXPECT_FALSE(has_errors(head_with(0x43a, "\1"), ImageFormat::Ext4));
    EXPECT_TRUE(has_errors(head_with(0x43a, "\3"), ImageFormat::Ext4));
    EXPECT_FALSE(has_errors(head_with(0x43a, "\3"), ImageFormat::Xfs));
    EXPECT_FALSE(has_errors("", ImageFormat::Ext4));
}

TEST(LabelledDisk, IsToldOfAnImage) {
    auto text = render_image({.digest = "d", .url = "u", .disk = "IMAGES"});
    EXPECT_NE(text.find(", on the disk IMAGES\n"), std::string::npos) << text;
}

} // namespace
} // namespace slipway::loading
