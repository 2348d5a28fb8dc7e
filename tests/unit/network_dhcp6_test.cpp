// SPDX-License-Identifier: Apache-2.0
#include "network/dhcp6_message.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "network/leases.hpp"

namespace slipway::network {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;
using namespace std::string_literals;

const MacAddress mac{0x52, 0x54, 0, 1, 2, 3};
const auto own_identity = "\x00\x01\x00\x0a\x00\x03\x00\x01\x52\x54\x00\x01\x02\x03"s;
const auto server_identity = "\x00\x02\x00\x04\x00\x03\x00\x09"s;
const auto address_bytes = "\xfd\x09"s + std::string(13, '\0') + "\x42";

// T1 100, T2 200; the address lasts for 400 s.
std::string given(const std::string& more = "") {
    auto inner = "\x00\x05\x00\x18"s + address_bytes + "\x00\x00\x00\xc8\x00\x00\x01\x90"s + more;
    return "\x00\x03\x00"s + static_cast<char>(12 + inner.size()) +
           "\x00\x00\x00\x01\x00\x00\x00\x64\x00\x00\x00\xc8"s + inner;
}

TEST(Dhcp6, WhatIsAsked) {
    auto solicit = encode_dhcp6({.type = Dhcp6Type::Solicit, .transaction = 0x123456, .mac = mac});
    EXPECT_THAT(solicit, StartsWith("\x01\x12\x34\x56"s + own_identity));
    EXPECT_THAT(solicit, HasSubstr("\x00\x0e\x00\x00"s)) << "at once, if it likes";
    EXPECT_THAT(solicit, HasSubstr("\x00\x06\x00\x02\x00\x17"s)) << "servers of names";
    Address6 address{0xfd, 9};
    address[15] = 0x42;
    auto request = encode_dhcp6({.type = Dhcp6Type::Renew,
                                 .mac = mac,
                                 .server = server_identity.substr(4),
                                 .address = address});
    EXPECT_THAT(request, HasSubstr(server_identity));
    EXPECT_THAT(request, HasSubstr("\x00\x05\x00\x18"s + address_bytes));
    auto information = encode_dhcp6({.type = Dhcp6Type::InformationRequest, .mac = mac});
    EXPECT_EQ(information.find("\x00\x03\x00\x0c"s), std::string::npos) << "no address";
}

TEST(Dhcp6, WhatIsGiven) {
    auto reply = decode_dhcp6("\x07\x12\x34\x56"s + own_identity + server_identity + given() +
                                  "\x00\x17\x00\x10"s + address_bytes,
                              mac);
    ASSERT_TRUE(reply) << render_text(reply.error());
    EXPECT_EQ(reply->type, Dhcp6Type::Reply);
    EXPECT_EQ(reply->transaction, 0x123456);
    ASSERT_TRUE(reply->address);
    EXPECT_EQ(to_text(*reply->address), "fd09::42");
    EXPECT_THAT(reply->name_servers, ElementsAre(*reply->address));
    EXPECT_EQ(reply->renew_after, 100);
    EXPECT_EQ(reply->rebind_after, 200);
    EXPECT_EQ(reply->lease, 400);
}

TEST(Dhcp6, WhatIsNoAnswerToUs) {
    auto good = "\x07\x12\x34\x56"s + own_identity + server_identity + given();
    for (std::size_t size = 0; size < good.size(); ++size) {
        auto cut = decode_dhcp6(good.substr(0, size), mac);
        EXPECT_FALSE(cut && cut->address) << size;
    }
    EXPECT_FALSE(decode_dhcp6(good, MacAddress{1, 2, 3, 4, 5, 6}));
    EXPECT_FALSE(decode_dhcp6("\x01"s + good.substr(1), mac)) << "a question";
    auto multicast = good;
    multicast[multicast.find(address_bytes)] = '\xff';
    EXPECT_FALSE(decode_dhcp6(multicast, mac));
    auto refused = decode_dhcp6("\x07\x12\x34\x56"s + own_identity + server_identity +
                                    "\x00\x03\x00\x15\x00\x00\x00\x01"s + std::string(8, '\0') +
                                    "\x00\x0d\x00\x05\x00\x02\x61\x6c\x6c"s,
                                mac);
    ASSERT_TRUE(refused);
    EXPECT_FALSE(refused->address);
    EXPECT_EQ(refused->refusal, "all");
}

TEST(RouterAdvice, IsRead) {
    auto head = [](char flags) {
        return "\x86\x00\x00\x00\x40"s + flags + "\x07\x08"s + std::string(8, '\0');
    };
    auto prefix = "\x03\x04\x40\xc0"s + std::string(28, '\x01');
    auto servers = "\x19\x03\x00\x00\x00\x00\x07\x08"s + address_bytes;
    auto all = decode_router_advice(head('\xc0') + prefix + servers);
    ASSERT_TRUE(all);
    EXPECT_TRUE(all->is_managed && all->has_more && all->has_addresses);
    ASSERT_EQ(all->name_servers.size(), 1);
    EXPECT_EQ(to_text(all->name_servers[0]), "fd09::42");
    auto none =
        decode_router_advice(head('\0') + "\x19\x03\x00\x00\x00\x00\x00\x00"s + address_bytes);
    ASSERT_TRUE(none);
    EXPECT_FALSE(none->is_managed || none->has_more || none->has_addresses);
    EXPECT_TRUE(none->name_servers.empty()) << "taken back";
    EXPECT_FALSE(decode_router_advice("\x85\x00"s + std::string(14, '\0')));
    EXPECT_TRUE(decode_router_advice(head('\0') + "\x03\x00"s + std::string(40, '\0')))
        << "an option without a size ends it";
    EXPECT_EQ(encode_router_question(mac).size(), 16);
}

TEST(Leases, AreAskedForInTime) {
    using std::chrono::seconds;
    auto given_at = Clock::time_point(seconds(1000));
    auto after = [&](long count) { return given_at + seconds(count); };
    Lease lease({.renew = 100, .rebind = 180, .end = 240}, given_at);
    EXPECT_EQ(lease.next(), after(100));
    EXPECT_FALSE(lease.asks_all(after(100)));
    lease.plan_another(after(100));
    EXPECT_EQ(lease.next(), after(140));
    lease.plan_another(after(175));
    EXPECT_EQ(lease.next(), after(185)) << "not at once";
    EXPECT_TRUE(lease.asks_all(after(185)));
    EXPECT_FALSE(lease.is_over(after(239)));
    lease.plan_another(after(236));
    EXPECT_EQ(lease.next(), after(246));
    EXPECT_TRUE(lease.is_over(after(246)));
    lease.plan_another(after(246));
    EXPECT_EQ(lease.next(), after(256)) << "again and again";
}

} // namespace
} // namespace slipway::network
