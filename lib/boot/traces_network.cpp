// SPDX-License-Identifier: Apache-2.0
#include "boot/traces_network.hpp"

#include <array>
#include <cstring>

#include <arpa/inet.h>
#include <fmt/format.h>
#include <linux/if_addr.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <unistd.h>

#include "base/strings.hpp"
#include "network/netlink.hpp"
#include "sys/fd.hpp"
#include "sys/genetlink.hpp"

namespace slipway::boot {
namespace {

using Attributes = std::map<std::uint16_t, std::string>;

// linux/if_addr.h has these since 5.18 only.
constexpr std::uint16_t address_protocol = 11;
constexpr std::uint8_t first_of_kernel = 1, last_of_kernel = 3; // IFAPROT_KERNEL_*

constexpr std::uint16_t nft_tables = NFNL_SUBSYS_NFTABLES << 8;

template <class Header> std::pair<Header, Attributes> split_payload(std::string_view payload) {
    Header header{};
    std::memcpy(&header, payload.data(), std::min(payload.size(), sizeof header));
    payload.remove_prefix(std::min<std::size_t>(NLMSG_ALIGN(sizeof header), payload.size()));
    return {header, sys::parse_netlink_attributes(payload)};
}

template <class Header> std::string join_payload(const Header& header, const Attributes& all) {
    sys::NetlinkAttributes made;
    for (const auto& [type, value] : all)
        made.add(type, value);
    return network::bytes_of(header) + made.bytes();
}

std::uint32_t number_in(const Attributes& all, std::uint16_t type) {
    std::uint32_t value = 0;
    if (auto found = all.find(type); found != all.end())
        std::memcpy(&value, found->second.data(), std::min(found->second.size(), sizeof value));
    return value;
}

std::string text_in(const Attributes& all, std::uint16_t type) {
    auto found = all.find(type);
    return found == all.end() ? "" : std::string(found->second.c_str());
}

std::string show(int family, const std::string& address) {
    std::array<char, INET6_ADDRSTRLEN> text{};
    if (address.size() < (family == AF_INET6 ? 16 : 4) ||
        ::inet_ntop(family, address.data(), text.data(), text.size()) == nullptr)
        return "?";
    return text.data();
}

void add_interface(const std::string& payload, NetworkState& state) {
    auto [header, all] = split_payload<ifinfomsg>(payload);
    state.interfaces[static_cast<std::uint32_t>(header.ifi_index)] = {
        .name = text_in(all, IFLA_IFNAME),
        .mac = all[IFLA_ADDRESS],
        .mtu = number_in(all, IFLA_MTU),
        .owner = number_in(all, IFLA_MASTER),
        .is_up = (header.ifi_flags & IFF_UP) != 0};
}

void add_address(const std::string& payload, NetworkState& state) {
    auto [header, all] = split_payload<ifaddrmsg>(payload);
    auto flags = all.contains(IFA_FLAGS) ? number_in(all, IFA_FLAGS) : header.ifa_flags;
    auto maker = all.contains(address_protocol) && !all[address_protocol].empty()
                     ? static_cast<std::uint8_t>(all[address_protocol][0])
                     : 0;
    if ((maker >= first_of_kernel && maker <= last_of_kernel) ||
        (header.ifa_family == AF_INET6 && header.ifa_scope == RT_SCOPE_LINK))
        return;
    const auto& own = all.contains(IFA_LOCAL) ? all[IFA_LOCAL] : all[IFA_ADDRESS];
    NetworkState::Entry entry{
        .shown =
            fmt::format("the address {}/{}", show(header.ifa_family, own), header.ifa_prefixlen),
        .interface = header.ifa_index,
        .lasts = (flags & IFA_F_PERMANENT) != 0};
    // How long it lasts, and what the kernel has found out about it, are not asked for again.
    all.erase(IFA_CACHEINFO);
    flags &= IFA_F_NOPREFIXROUTE | IFA_F_HOMEADDRESS;
    if (all.contains(IFA_FLAGS))
        all[IFA_FLAGS] = network::bytes_of(flags);
    header.ifa_flags = 0;
    entry.payload = join_payload(header, all);
    state.addresses[fmt::format("{} {}", header.ifa_index, entry.shown)] = std::move(entry);
}

void add_route(const std::string& payload, NetworkState& state) {
    auto [header, all] = split_payload<rtmsg>(payload);
    auto table = all.contains(RTA_TABLE) ? number_in(all, RTA_TABLE) : header.rtm_table;
    if (table == RT_TABLE_LOCAL || header.rtm_protocol == RTPROT_KERNEL ||
        header.rtm_protocol == RTPROT_RA || (header.rtm_flags & RTM_F_CLONED) != 0 ||
        header.rtm_type == RTN_MULTICAST || header.rtm_type == RTN_BROADCAST)
        return;
    all.erase(RTA_CACHEINFO);
    header.rtm_flags &= RTNH_F_ONLINK;
    NetworkState::Entry entry{
        .shown = fmt::format(
            "the route {}{}",
            header.rtm_dst_len == 0
                ? "default"
                : fmt::format("{}/{}", show(header.rtm_family, all[RTA_DST]), header.rtm_dst_len),
            all.contains(RTA_GATEWAY) ? " by " + show(header.rtm_family, all[RTA_GATEWAY]) : ""),
        .interface = number_in(all, RTA_OIF),
        .payload = join_payload(header, all),
        .has_gateway = all.contains(RTA_GATEWAY)};
    state.routes[entry.payload] = std::move(entry);
}

template <class Header, class Take>
void each_of(const network::Netlink& netlink, std::uint16_t type, Take take) {
    if (auto listed = netlink.list(type, network::bytes_of(Header{})))
        for (const auto& message : *listed)
            take(message.payload);
}

std::set<std::string> packet_filters() {
    std::set<std::string> found;
    auto netlink = network::Netlink::open(NETLINK_NETFILTER);
    if (!netlink)
        return found;
    each_of<nfgenmsg>(*netlink, nft_tables | NFT_MSG_GETTABLE, [&](const std::string& payload) {
        auto [header, all] = split_payload<nfgenmsg>(payload);
        found.insert(static_cast<char>(header.nfgen_family) + text_in(all, NFTA_TABLE_NAME));
    });
    return found;
}

std::set<std::string> old_packet_filters() {
    std::set<std::string> found;
    for (const auto* list : {"/proc/net/ip_tables_names", "/proc/net/ip6_tables_names"})
        if (auto text = sys::read_file(list))
            for (auto name : split_words(*text))
                found.emplace(name);
    return found;
}

bool is_hardware(const std::string& name) {
    return ::access(fmt::format("/sys/class/net/{}/device", name).c_str(), F_OK) == 0;
}

class Undo {
public:
    Undo(const NetworkState& before, const network::Netlink& netlink)
        : before_(before), netlink_(netlink) {}

    std::vector<Change> run() {
        remove_interfaces();
        // An interface is renamed while it is down: routes go with that, and come after it.
        for (const auto& [number, wanted] : before_.interfaces)
            restore(number, wanted);
        auto now = look_at_network();
        remove(now.routes, before_.routes, RTM_DELROUTE);
        remove(now.addresses, before_.addresses, RTM_DELADDR);
        for (const auto& [key, entry] : before_.addresses) {
            auto found = now.addresses.find(key);
            if (entry.lasts && (found == now.addresses.end() || !found->second.lasts))
                add(entry, RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE);
        }
        // A gateway may lie behind another route.
        now = look_at_network();
        for (bool gateways : {false, true})
            for (const auto& [key, entry] : before_.routes)
                if (entry.has_gateway == gateways && !now.routes.contains(key))
                    add(entry, RTM_NEWROUTE, NLM_F_CREATE);
        remove_packet_filters();
        return std::move(changes_);
    }

private:
    void tell(const std::string& what, const Status& done) {
        changes_.push_back(change_of(what, done));
    }
    [[nodiscard]] std::string of_interface(const NetworkState::Entry& entry) const {
        auto found = before_.interfaces.find(entry.interface);
        return found == before_.interfaces.end()
                   ? entry.shown
                   : fmt::format("{} of {}", entry.shown, found->second.name);
    }

    void remove_interfaces() {
        for (const auto& [number, found] : look_at_network().interfaces) {
            if (before_.interfaces.contains(number))
                continue;
            auto what = "the interface " + found.name;
            if (is_hardware(found.name)) {
                changes_.push_back({.what = what, .why = "a driver has found it, and it stays"});
                continue;
            }
            ifinfomsg header{};
            header.ifi_index = static_cast<int>(number);
            auto removed =
                netlink_.change({RTM_DELLINK, network::bytes_of(header)}, 0, "removing it");
            // The other end of a pair has gone with it.
            if (removed || removed.error().errno_value != ENODEV)
                tell(what, removed);
        }
    }

    Status set(std::uint32_t number, unsigned flags, unsigned mask,
               const sys::NetlinkAttributes& all = {}) const {
        ifinfomsg header{};
        header.ifi_index = static_cast<int>(number);
        header.ifi_flags = flags;
        header.ifi_change = mask;
        return netlink_.change({RTM_NEWLINK, network::bytes_of(header) + all.bytes()}, 0,
                               "setting the interface");
    }

    void restore(std::uint32_t number, const NetworkState::Interface& wanted) {
        auto all = look_at_network().interfaces;
        auto found = all.find(number);
        if (found == all.end())
            return tell("the interface " + wanted.name,
                        fail(Code::NotFound, "it is not there any more"));
        const auto now = found->second;
        if (now == wanted)
            return;
        Status done;
        auto must = [&done](Status next) {
            if (done)
                done = std::move(next);
        };
        std::vector<std::string> what;
        sys::NetlinkAttributes attributes;
        if (now.owner != wanted.owner) {
            what.emplace_back("what it is part of");
            attributes.add_u32(IFLA_MASTER, wanted.owner);
        }
        if (now.mtu != wanted.mtu) {
            what.push_back(fmt::format("its MTU {} -> {}", wanted.mtu, now.mtu));
            attributes.add_u32(IFLA_MTU, wanted.mtu);
        }
        if (now.mac != wanted.mac) {
            what.emplace_back("its hardware address");
            attributes.add(IFLA_ADDRESS, wanted.mac);
        }
        if (now.name != wanted.name) {
            what.push_back(fmt::format("its name -> {}", printable(now.name)));
            attributes.add(IFLA_IFNAME, wanted.name + '\0');
        }
        if (now.is_up != wanted.is_up)
            what.emplace_back(wanted.is_up ? "it was down" : "it was up");
        if (now.is_up && (now.name != wanted.name || now.mac != wanted.mac))
            must(set(number, 0, IFF_UP));
        if (!attributes.bytes().empty())
            must(set(number, 0, 0, attributes));
        must(set(number, wanted.is_up ? IFF_UP : 0, IFF_UP));
        tell(fmt::format("the interface {}: {}", wanted.name, join(what, ", ")), done);
    }

    void remove(const std::map<std::string, NetworkState::Entry>& now,
                const std::map<std::string, NetworkState::Entry>& before, std::uint16_t type) {
        for (const auto& [key, entry] : now) {
            if (before.contains(key))
                continue;
            auto removed = netlink_.change({type, entry.payload}, 0, "removing it");
            // The kernel takes routes away with their addresses and interfaces.
            if (removed || (removed.error().errno_value != ESRCH &&
                            removed.error().errno_value != EADDRNOTAVAIL))
                tell(of_interface(entry), removed);
        }
    }

    void add(const NetworkState::Entry& entry, std::uint16_t type, std::uint16_t flags) {
        auto made = netlink_.change({type, entry.payload}, flags, "putting it back");
        if (made || made.error().code != Code::Exists)
            tell(of_interface(entry) + " was not there any more", made);
    }

    void remove_packet_filters() {
        for (const auto& name : old_packet_filters())
            if (!before_.old_packet_filters.contains(name))
                changes_.push_back(
                    {.what = "the iptables of " + printable(name), .why = "what they hold stays"});
        auto netlink = network::Netlink::open(NETLINK_NETFILTER);
        if (!netlink)
            return;
        for (const auto& table : packet_filters()) {
            if (before_.packet_filters.contains(table))
                continue;
            nfgenmsg header{};
            header.nfgen_family = static_cast<std::uint8_t>(table[0]);
            sys::NetlinkAttributes attributes;
            attributes.add(NFTA_TABLE_NAME, table.substr(1) + '\0');
            tell(fmt::format("the packet filter {}", printable(table.substr(1))),
                 netlink->change_together({{nft_tables | NFT_MSG_DELTABLE,
                                            network::bytes_of(header) + attributes.bytes()}},
                                          "removing it"));
        }
    }

    const NetworkState& before_;
    const network::Netlink& netlink_;
    std::vector<Change> changes_;
};

} // namespace

NetworkState look_at_network() {
    NetworkState state;
    auto netlink = network::Netlink::open(NETLINK_ROUTE);
    if (!netlink)
        return state;
    each_of<ifinfomsg>(*netlink, RTM_GETLINK,
                       [&](const std::string& payload) { add_interface(payload, state); });
    each_of<ifaddrmsg>(*netlink, RTM_GETADDR,
                       [&](const std::string& payload) { add_address(payload, state); });
    each_of<rtmsg>(*netlink, RTM_GETROUTE,
                   [&](const std::string& payload) { add_route(payload, state); });
    state.packet_filters = packet_filters();
    state.old_packet_filters = old_packet_filters();
    return state;
}

std::vector<Change> undo_network(const NetworkState& before) {
    auto netlink = network::Netlink::open(NETLINK_ROUTE);
    if (!netlink)
        return {change_of("the network", fail(netlink.error()))};
    return Undo(before, *netlink).run();
}

} // namespace slipway::boot
