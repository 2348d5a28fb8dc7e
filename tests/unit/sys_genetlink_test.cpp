// SPDX-License-Identifier: Apache-2.0
#include "sys/genetlink.hpp"

#include <cstring>

#include <linux/netlink.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace slipway::sys {
namespace {

using ::testing::IsEmpty;
using ::testing::Pair;
using ::testing::UnorderedElementsAre;

std::string head(std::uint16_t size, std::uint16_t type) {
    nlattr attribute{.nla_len = size, .nla_type = type};
    return {reinterpret_cast<const char*>(&attribute), sizeof attribute};
}

TEST(NetlinkAttributes, StandOneAfterTheOtherAtEvenPlaces) {
    NetlinkAttributes attributes;
    attributes.add(1, "abc").add_u32(2, 0x11111111).add_u64(3, 0x2222222222222222);
    EXPECT_EQ(attributes.bytes(), head(7, 1) + std::string("abc\0", 4) + head(8, 2) +
                                      std::string(4, '\x11') + head(12, 3) +
                                      std::string(8, '\x22'));
    EXPECT_EQ(NetlinkAttributes().add_nested(4, attributes).bytes(),
              head(static_cast<std::uint16_t>(4 + attributes.bytes().size()), 4 | NLA_F_NESTED) +
                  attributes.bytes());
}

TEST(NetlinkAttributes, ComeBackAsTheyWere) {
    NetlinkAttributes inner, attributes;
    inner.add_u32(1, 5);
    attributes.add(1, "abc").add(2, "").add_nested(3, inner);
    EXPECT_THAT(parse_netlink_attributes(attributes.bytes()),
                UnorderedElementsAre(Pair(1, "abc"), Pair(2, ""), Pair(3, inner.bytes())));
}

TEST(NetlinkAttributes, WhatIsCutOffIsLeftOut) {
    NetlinkAttributes attributes;
    attributes.add(1, "abcd").add(2, "efgh");
    const auto& whole = attributes.bytes();
    for (std::size_t size = 0; size < whole.size(); ++size) {
        auto found = parse_netlink_attributes(whole.substr(0, size));
        EXPECT_EQ(found.size(), size / 8) << size;
        EXPECT_FALSE(found.contains(2)) << size;
    }
    // The padding of the last one may be missing.
    EXPECT_THAT(parse_netlink_attributes(head(5, 1) + "a"), UnorderedElementsAre(Pair(1, "a")));
}

TEST(NetlinkAttributes, LengthsThatCannotBeEndTheList) {
    for (std::uint16_t size : {0, 1, 3, 9, 0xffff})
        EXPECT_THAT(parse_netlink_attributes(head(size, 1) + "abcd"), IsEmpty()) << size;
}

} // namespace
} // namespace slipway::sys
