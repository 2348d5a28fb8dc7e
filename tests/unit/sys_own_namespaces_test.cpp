// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "sys/own_namespaces.hpp"

namespace slipway::sys {
namespace {

TEST(OwnNamespaces, RangeOfTheUserByNameOrNumber) {
    constexpr std::string_view text = "anna:100000:65536\n1001:200000:65536\n";
    EXPECT_EQ(parse_subordinate_ids(text, "anna", 1000)->first, 100000U);
    EXPECT_EQ(parse_subordinate_ids(text, "bert", 1001)->first, 200000U);
    EXPECT_EQ(parse_subordinate_ids(text, "", 1001)->count, 65536U);
    EXPECT_FALSE(parse_subordinate_ids(text, "carl", 1002));
    EXPECT_FALSE(parse_subordinate_ids(text, "", 100000));
}

TEST(OwnNamespaces, RangesThatAreTooSmallOrNoneAreLeftOut) {
    EXPECT_EQ(parse_subordinate_ids("anna:100000:10\nanna:300000:65535\n", "anna", 1)->first,
              300000U);
    for (const auto* text : {"anna:0:65536\n", "anna:4294967295:65536\n", "anna:x:65536\n",
                             "anna:100000\n", "anna:99999999999:65536\n", ""})
        EXPECT_FALSE(parse_subordinate_ids(text, "anna", 1)) << text;
}

} // namespace
} // namespace slipway::sys
