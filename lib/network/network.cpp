// SPDX-License-Identifier: Apache-2.0
#include "network/network.hpp"

#include <algorithm>
#include <thread>
#include <tuple>

#include <fmt/format.h>
#include <sys/stat.h>

#include "base/strings.hpp"
#include "base/units.hpp"
#include "sys/fd.hpp"

namespace slipway::network {
namespace {

constexpr std::chrono::seconds for_carriers{5}; // switches take that long
constexpr std::chrono::milliseconds between_looks{100};
constexpr std::chrono::seconds for_a_router{5};
constexpr unsigned rounds = 3;

bool is_wanted(const Link& link, const std::string& interface) {
    return interface.empty() || link.name == interface || to_text(link.mac) == to_lower(interface);
}

Result<std::vector<Link>> wanted_links(const NetworkOptions& options) {
    SLIPWAY_TRY(auto links, ethernet_links());
    std::erase_if(links, [&](const Link& link) { return !is_wanted(link, options.interface); });
    if (links.empty())
        return fail(Code::NotFound,
                    options.interface.empty()
                        ? "this machine has no network interface that the kernel has a driver for"
                        : fmt::format("there is no network interface {}", options.interface),
                    "pack the module of its driver with `slipway netboot build --modules`");
    return links;
}

// Those that have a carrier, as soon as one has; all of them when none gets one.
Result<std::vector<Link>> ready_links(const NetworkOptions& options, const Cancel& cancel) {
    SLIPWAY_TRY(auto links, wanted_links(options));
    for (const auto& link : links)
        SLIPWAY_CHECK(set_up(link.name));
    for (auto until = Clock::now() + for_carriers; Clock::now() < until;) {
        SLIPWAY_CHECK(cancel.check());
        SLIPWAY_TRY(links, wanted_links(options));
        if (links.front().has_carrier)
            break;
        std::this_thread::sleep_for(between_looks);
    }
    return links;
}

Result<DhcpReply> by_hand(const NetworkOptions& options) {
    SLIPWAY_TRY(auto given, parse_address(options.address));
    DhcpReply lease{.type = DhcpType::Ack, .address = given.address, .bits = given.bits};
    if (!options.gateway.empty()) {
        SLIPWAY_TRY(auto gateway, parse_address(options.gateway));
        lease.routes.push_back({.gateway = gateway.address});
    }
    return lease;
}

// The first of the two kinds of addresses that the network has.
Result<Network> ask(const NetworkOptions& options, const Link& link, const DhcpOptions& asking,
                    const Cancel& cancel) {
    Network network{.link = link};
    auto lease = options.address.empty() ? ask_for_address(link, asking, cancel) : by_hand(options);
    if (lease) {
        network.lease = std::move(*lease);
        SLIPWAY_CHECK(apply_lease(link, network.lease));
        return network;
    }
    if (lease.error().code != Code::Timeout)
        return fail(std::move(lease.error()));
    DhcpOptions by_six = asking;
    by_six.limit = for_a_router;
    auto six = bring_up_network6(link, by_six, cancel);
    if (!six)
        return fail(six.error().code == Code::Cancelled ? six.error() : lease.error());
    network.six = std::move(*six);
    return network;
}

} // namespace

Result<Network> bring_up_network(const NetworkOptions& options,
                                 const std::function<void(const std::string&)>& say,
                                 const Cancel& cancel) {
    std::ignore = set_up("lo"); // programs of ours and of others talk to themselves
    SLIPWAY_TRY(auto links, ready_links(options, cancel));
    Error last{.code = Code::Timeout, .what = "no interface has an address"};
    DhcpOptions asking{.limit = std::chrono::seconds(10)};
    if (options.debug)
        asking.told = say;
    for (unsigned round = 0; round < rounds; ++round)
        for (const auto& link : links) {
            SLIPWAY_CHECK(cancel.check());
            say(fmt::format("{} ({}{}): {}", link.name, to_text(link.mac),
                            link.driver.empty() ? "" : ", " + link.driver,
                            !link.has_carrier         ? "no carrier"
                            : options.address.empty() ? "asking for an address"
                                                      : options.address));
            if (!link.has_carrier && round + 1 < rounds && links.front().has_carrier)
                continue;
            auto network = ask(options, link, asking, cancel);
            if (network) {
                SLIPWAY_CHECK(write_resolv_conf(options, *network));
                return network;
            }
            if (network.error().code == Code::Cancelled ||
                network.error().code == Code::InvalidArgument)
                return network;
            last = std::move(network.error());
        }
    return fail(std::move(last));
}

Status write_resolv_conf(const NetworkOptions& options, const Network& network) {
    std::string text;
    auto add = [&text](const std::string& server) {
        text += fmt::format("nameserver {}\n", server);
    };
    if (!network.lease.domain.empty())
        text += fmt::format("search {}\n", network.lease.domain);
    for (const auto& server : options.name_servers)
        add(server);
    if (options.name_servers.empty()) {
        for (auto server : network.lease.name_servers)
            add(to_text(server));
        if (network.six)
            for (const auto& server : network.six->name_servers())
                add(to_text(server));
    }
    ::mkdir("/etc", 0755);
    return sys::write_file("/etc/resolv.conf", text);
}

} // namespace slipway::network
