// SPDX-License-Identifier: Apache-2.0
#include "base/units.hpp"

#include <gtest/gtest.h>

namespace slipway {
namespace {

TEST(FormatSize, ThreeDigitsOrFour) {
    EXPECT_EQ(format_size(0), "0 B");
    EXPECT_EQ(format_size(1023), "1023 B");
    EXPECT_EQ(format_size(1024), "1 KiB");
    EXPECT_EQ(format_size(std::uint64_t{1536} << 20), "1.5 GiB");
    EXPECT_EQ(format_size(std::uint64_t{999} << 20), "999 MiB");
    EXPECT_EQ(format_size(std::uint64_t{1000} << 20), "1000 MiB");
    EXPECT_EQ(format_size((std::uint64_t{1} << 30) - 1), "1024 MiB");
}

} // namespace
} // namespace slipway
