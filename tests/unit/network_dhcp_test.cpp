// SPDX-License-Identifier: Apache-2.0
#include "network/dhcp_message.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace slipway::network {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using namespace std::string_literals;

const MacAddress mac{0x52, 0x54, 0, 1, 2, 3};

// What a server says: its options behind a header.
std::string said(const std::string& options, Address4 address = 0x0a00020f,
                 const std::string& file = "") {
    std::string reply = "\x02\x01\x06\x00\x12\x34\x56\x78"s + std::string(8, '\0');
    for (int shift : {24, 16, 8, 0})
        reply += static_cast<char>(address >> shift);
    reply += std::string(8, '\0') + std::string(mac.begin(), mac.end());
    reply.resize(108);
    reply += file;
    reply.resize(236);
    return reply + "\x63\x82\x53\x63" + options;
}

TEST(Dhcp, WhatIsAsked) {
    auto bytes = encode_dhcp({.type = DhcpType::Request,
                              .transaction = 0x12345678,
                              .mac = mac,
                              .wanted = 0x0a00020f,
                              .server = 0x0a000202,
                              .hostname = "box"});
    EXPECT_GE(bytes.size(), 300);
    EXPECT_EQ(bytes.substr(0, 8), "\x01\x01\x06\x00\x12\x34\x56\x78"s);
    EXPECT_EQ(bytes.substr(10, 2), "\x80\x00"s) << "an answer by broadcast";
    EXPECT_EQ(bytes.substr(28, 6), std::string(mac.begin(), mac.end()));
    EXPECT_EQ(bytes.substr(236, 4), "\x63\x82\x53\x63");
    EXPECT_THAT(bytes, HasSubstr("\x35\x01\x03"s));
    EXPECT_THAT(bytes, HasSubstr("\x32\x04\x0a\x00\x02\x0f"s));
    EXPECT_THAT(bytes, HasSubstr("\x36\x04\x0a\x00\x02\x02"s));
    EXPECT_THAT(bytes, HasSubstr("\x0c\x03"s + "box"));
}

TEST(Dhcp, WhatIsOffered) {
    auto reply = decode_dhcp(said(
        "\x35\x01\x05\x01\x04\xff\xff\xfe\x00\x03\x04\x0a\x00\x02\x02\x06\x08\x0a\x00\x02\x03"
        "\x01\x01\x01\x01\x33\x04\x00\x00\x0e\x10\x36\x04\x0a\x00\x02\x02\x0f\x03lab\x00\xff"s));
    ASSERT_TRUE(reply) << render_text(reply.error());
    EXPECT_EQ(reply->type, DhcpType::Ack);
    EXPECT_EQ(reply->transaction, 0x12345678);
    EXPECT_EQ(reply->mac, mac);
    EXPECT_EQ(to_text(reply->address), "10.0.2.15");
    EXPECT_EQ(reply->bits, 23);
    EXPECT_THAT(reply->routes, ElementsAre(Route4{0, 0, 0x0a000202}));
    EXPECT_THAT(reply->name_servers, ElementsAre(0x0a000203, 0x01010101));
    EXPECT_EQ(reply->domain, "lab");
    EXPECT_EQ(reply->lease, 3600);
    EXPECT_EQ(reply->renew_after, 1800);
    EXPECT_EQ(reply->rebind_after, 3150);
}

TEST(Dhcp, RoutesWithoutClassesAndOptionsInOtherPlaces) {
    auto reply = decode_dhcp(said("\x35\x01\x02\x34\x01\x01\x79\x0d\x18\xc0\xa8\x05\x0a\x00\x02\x01"
                                  "\x00\x0a\x00\x02\x02\x03\x04\x09\x09\x09\x09"s,
                                  0x0a00020f, "\x06\x04\x08\x08\x08\x08\xff"));
    ASSERT_TRUE(reply) << render_text(reply.error());
    EXPECT_THAT(reply->routes,
                ElementsAre(Route4{0xc0a80500, 24, 0x0a000201}, Route4{0, 0, 0x0a000202}));
    EXPECT_THAT(reply->name_servers, ElementsAre(0x08080808));
}

TEST(Dhcp, WhatIsNoOffer) {
    EXPECT_FALSE(decode_dhcp(""));
    EXPECT_FALSE(decode_dhcp(std::string(300, '\0')));
    EXPECT_FALSE(decode_dhcp(said("")));
    EXPECT_FALSE(decode_dhcp(said("\x35\x01\x01"s)));
    EXPECT_FALSE(decode_dhcp(said("\x35\x01\x02"s, 0)));
    EXPECT_FALSE(decode_dhcp(said("\x35\x01\x02"s, 0x7f000001)));
    EXPECT_TRUE(decode_dhcp(said("\x35\x01\x06"s, 0))) << "a refusal has no address";
    EXPECT_TRUE(decode_dhcp(said("\x35\x01\x02\x06\xff\x01"s))) << "cut off";
    auto odd =
        decode_dhcp(said("\x35\x01\x02\x0f\x05../x;\x79\x02\x21\x01\x33\x04\x00\x00\x00\x00"s));
    ASSERT_TRUE(odd);
    EXPECT_EQ(odd->domain, "");
    EXPECT_TRUE(odd->routes.empty());
    EXPECT_EQ(odd->lease, 60);
}

} // namespace
} // namespace slipway::network
