// SPDX-License-Identifier: Apache-2.0
// What a system has changed is undone: in a network, a clock and a /dev of the test's own.
#include "boot/traces.hpp"

#include <filesystem>
#include <fstream>

#include <fcntl.h>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <sched.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "network/netlink.hpp"
#include "sys/fd.hpp"
#include "sys/genetlink.hpp"
#include "sys/process.hpp"

namespace slipway::boot {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using testing::Not;

void ip(const std::string& words) {
    auto command = "ip " + words + " >/dev/null";
    EXPECT_EQ(std::system(command.c_str()), 0) << command;
}

// As text, so that a difference can be read.
std::string shown(const NetworkState& state) {
    std::string text;
    for (const auto& [number, each] : state.interfaces)
        text += fmt::format("{} {} mac {} mtu {} owner {} {}\n", number, each.name,
                            each.mac.size() == 6 ? each.mac[5] : 0, each.mtu, each.owner,
                            each.is_up ? "up" : "down");
    for (const auto& [key, each] : state.addresses)
        text += fmt::format("{} of {} {}\n", each.shown, each.interface, each.lasts);
    for (const auto& [key, each] : state.routes)
        text += fmt::format("{} of {}\n", each.shown, each.interface);
    return text + fmt::format("{} filters\n", state.packet_filters.size());
}

class NetworkTraces : public testing::Test {
protected:
    void SetUp() override {
        if (!sys::find_program("ip"))
            GTEST_SKIP() << "iproute2 is not installed";
        auto own = sys::open_file("/proc/thread-self/ns/net", O_RDONLY);
        ASSERT_TRUE(own);
        outside_ = std::move(*own);
        ASSERT_EQ(::unshare(CLONE_NEWNET), 0);
        ip("link set lo up");
        for (const auto* name : {"card0", "card1"})
            ip(fmt::format("tuntap add dev {} mode tap", name)); // every kernel has these
        ip("addr add 10.1.0.15/24 dev card0");
        ip("-6 addr add fd01::15/64 dev card0 nodad");
        ip("link set card0 up");
        ip("route add default via 10.1.0.1");
        ip("route add 10.7.0.0/16 via 10.1.0.9 metric 5");
        ip("-6 route add default via fd01::1");
        before_ = look_at_network();
    }
    void TearDown() override {
        if (outside_.valid()) {
            EXPECT_EQ(::setns(outside_.raw(), CLONE_NEWNET), 0);
        }
    }
    std::string undo() {
        auto told = render_changes(undo_network(before_));
        EXPECT_EQ(shown(look_at_network()), shown(before_)) << told;
        return told;
    }
    sys::OwnedFd outside_;
    NetworkState before_;
};

TEST_F(NetworkTraces, NothingIsToldWhereNothingHasChanged) {
    EXPECT_THAT(shown(before_), HasSubstr("the address 10.1.0.15/24 of "));
    EXPECT_THAT(shown(before_), HasSubstr("the route default by 10.1.0.1 of "));
    EXPECT_THAT(shown(before_), HasSubstr("the route 10.7.0.0/16 by 10.1.0.9 of "));
    EXPECT_THAT(shown(before_), HasSubstr("the route default by fd01::1 of "));
    EXPECT_EQ(undo(), "");
}

TEST_F(NetworkTraces, AddressesAndRoutes) {
    ip("addr add 192.168.9.9/24 dev card0");
    ip("-6 addr add fd09::9/64 dev card0 nodad");
    ip("addr del 10.1.0.15/24 dev card0");
    ip("route replace default via 192.168.9.1");
    auto told = undo();
    EXPECT_THAT(told, HasSubstr("undone: "));
    EXPECT_THAT(told, HasSubstr("the address 192.168.9.9/24 of card0"));
    EXPECT_THAT(told, HasSubstr("the address 10.1.0.15/24 of card0 was not there any more"));
    EXPECT_THAT(told, HasSubstr("the route default by 10.1.0.1 of card0 was not there any more"));
    EXPECT_THAT(told, Not(HasSubstr("LEFT BEHIND")));
}

// As a DHCP client in the image does, which gets the same address.
TEST_F(NetworkTraces, AnAddressThatWouldEnd) {
    ip("addr change 10.1.0.15/24 dev card0 valid_lft 100 preferred_lft 50");
    EXPECT_THAT(undo(), HasSubstr("the address 10.1.0.15/24 of card0"));
}

TEST_F(NetworkTraces, Interfaces) {
    ip("link add bridge0 type bridge");
    ip("tuntap add dev new0 mode tap");
    ip("link set card0 master bridge0");
    ip("link set card1 up");
    ip("link set card0 down");
    ip("link set card0 name renamed mtu 1400 address 02:00:00:00:00:77");
    auto told = undo();
    EXPECT_THAT(told, HasSubstr("the interface bridge0"));
    EXPECT_THAT(told, HasSubstr("the interface new0"));
    EXPECT_THAT(told, HasSubstr("its name -> renamed"));
    EXPECT_THAT(told, HasSubstr("the interface card1: it was up"));
    EXPECT_THAT(told, Not(HasSubstr("LEFT BEHIND")));
}

TEST_F(NetworkTraces, AnInterfaceThatHasGoneIsTold) {
    ip("link del card1");
    auto told = render_changes(undo_network(before_));
    EXPECT_THAT(told, HasSubstr("LEFT BEHIND: the interface card1"));
}

TEST_F(NetworkTraces, PacketFilters) {
    constexpr std::uint16_t new_table = NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWTABLE;
    nfgenmsg header{};
    header.nfgen_family = AF_INET;
    sys::NetlinkAttributes name;
    name.add(NFTA_TABLE_NAME, std::string("mine") + '\0');
    auto netlink = network::Netlink::open(NETLINK_NETFILTER);
    if (!netlink ||
        !netlink->change_together({{new_table, network::bytes_of(header) + name.bytes()}}, "it"))
        GTEST_SKIP() << "no nf_tables in this kernel";
    ASSERT_EQ(look_at_network().packet_filters.size(), 1);
    EXPECT_EQ(undo(), "undone: the packet filter mine\n");
    EXPECT_TRUE(look_at_network().packet_filters.empty());
}

TEST(DeviceTraces, AreOfOneDirectory) {
    auto top = fs::temp_directory_path() / fmt::format("slipway-devices-{}", ::getpid());
    fs::create_directories(top / "input");
    auto null = makedev(1, 3);
    for (const auto* name : {"null", "zero", "input/event0"})
        ASSERT_EQ(::mknod((top / name).c_str(), S_IFCHR | 0600, null), 0);
    fs::create_symlink("/proc/self/fd", top / "fd");
    auto before = look_at_devices(top);
    EXPECT_EQ(before.size(), 5);
    EXPECT_TRUE(undo_devices(before, top).empty());

    fs::remove(top / "null");
    std::ofstream(top / "null") << "a trap";
    fs::remove_all(top / "input");
    fs::remove(top / "fd");
    fs::permissions(top / "zero", fs::perms{0666});
    fs::create_directories(top / "disk/by-id");
    fs::create_symlink("../../zero", top / "disk/by-id/x");
    ASSERT_EQ(::mknod((top / "new").c_str(), S_IFCHR | 0600, null), 0);

    auto changes = undo_devices(before, top);
    auto after = look_at_devices(top);
    EXPECT_EQ(after.erase("new"), 1) << "the kernel's own devices stay";
    EXPECT_EQ(after, before);
    ASSERT_EQ(changes.size(), 1) << render_changes(changes);
    EXPECT_THAT(changes[0].what, HasSubstr("files in " + top.string()));
    fs::remove_all(top);
}

} // namespace
} // namespace slipway::boot
