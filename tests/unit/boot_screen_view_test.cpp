// SPDX-License-Identifier: Apache-2.0
#include <cstring>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "boot/screen_view.hpp"

namespace slipway::boot {
namespace {

std::string cells(const std::u32string& text) {
    std::string bytes(text.size() * 4, '\0');
    std::memcpy(bytes.data(), text.data(), bytes.size());
    return bytes;
}

TEST(ScreenView, TextAsTheKernelKeepsIt) {
    EXPECT_EQ(render_screen_text(cells(U"ab  ü€  "), 4), "ab\nü€\n");
    EXPECT_EQ(render_screen_text(cells(std::u32string{U'a', 1, 0x110000, U' '}), 4),
              "a\n");                                    // no control characters
    EXPECT_EQ(render_screen_text(cells(U"abc"), 4), ""); // no whole line
    EXPECT_EQ(render_screen_text("", 4), "");
}

// Red and blue, side by side. The last number is the one that every PNG ends with.
TEST(ScreenView, PicturesAreWholeFiles) {
    auto png = render_png({.width = 2, .height = 1, .rgb = std::string("\xff\0\0\0\0\xff", 6)});
    EXPECT_TRUE(png.starts_with("\x89PNG\r\n\x1a\n"));
    EXPECT_EQ(png.substr(16, 8), std::string("\0\0\0\2\0\0\0\1", 8));
    EXPECT_TRUE(png.ends_with(std::string("\0\0\0\0IEND\xae\x42\x60\x82", 12)));
    auto large = render_png({.width = 300, .height = 200, .rgb = std::string(180'000, 'x')});
    EXPECT_GT(large.size(), 180'200U); // in three blocks
}

} // namespace
} // namespace slipway::boot
