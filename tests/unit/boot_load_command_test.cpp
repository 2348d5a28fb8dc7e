// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "boot/load_command.hpp"

namespace slipway::boot {
namespace {

std::string address(const std::string& name, const std::string& command_line) {
    auto url = image_address(name, read_boot_options(command_line));
    return url ? url->str() : render_text(url.error());
}

TEST(LoadCommand, ANameIsLookedForWhereTheMachineCameFrom) {
    EXPECT_EQ(address("d.squashfs", "slipway.from=http://10.0.0.1:8080/boot.ipxe"),
              "http://10.0.0.1:8080/images/d.squashfs");
    EXPECT_EQ(address("d.squashfs", "slipway.from=http://10.0.0.1/lab/boot.ipxe"),
              "http://10.0.0.1/lab/images/d.squashfs");
    EXPECT_EQ(address("d.squashfs", "slipway.from=tftp://10.0.0.1/boot.ipxe"),
              "http://10.0.0.1:8080/images/d.squashfs");
    // A boot file that DHCP names by its URL, as iPXE tells of it.
    EXPECT_EQ(address("d.squashfs", "slipway.from=tftp://10.0.0.1/http://10.0.0.2/boot.ipxe"),
              "http://10.0.0.2/images/d.squashfs");
    EXPECT_EQ(address("old/d.erofs", "slipway.images=https://images.lab/ "
                                     "slipway.from=http://10.0.0.1/boot.ipxe"),
              "https://images.lab/old/d.erofs");
    EXPECT_EQ(address("http://there/d", "slipway.images=https://images.lab"), "http://there/d");
}

TEST(LoadCommand, ANameWithoutAPlaceIsToldSo) {
    for (const auto* command_line : {"", "slipway.from=", "slipway.from=tftp:///boot.ipxe"})
        EXPECT_THAT(address("d.squashfs", command_line),
                    testing::HasSubstr("where images are is not known"));
    EXPECT_THAT(address("ftp://there/d", ""), testing::HasSubstr("http"));
}

} // namespace
} // namespace slipway::boot
