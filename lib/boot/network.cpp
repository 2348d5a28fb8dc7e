// SPDX-License-Identifier: Apache-2.0
#include "boot/network.hpp"

#include <algorithm>
#include <thread>

#include <fmt/format.h>
#include <sys/stat.h>

#include "base/strings.hpp"
#include "base/units.hpp"
#include "sys/fd.hpp"

namespace slipway::boot {
namespace {

constexpr std::chrono::seconds for_carriers{5}; // switches take that long
constexpr std::chrono::milliseconds between_looks{100};
constexpr unsigned rounds = 3;

bool is_wanted(const Link& link, const std::string& interface) {
    return interface.empty() || link.name == interface || to_text(link.mac) == to_lower(interface);
}

Result<std::vector<Link>> wanted_links(const BootOptions& options) {
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
Result<std::vector<Link>> ready_links(const BootOptions& options, const Cancel& cancel) {
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

Result<DhcpReply> by_hand(const BootOptions& options) {
    SLIPWAY_TRY(auto given, parse_address(options.address));
    DhcpReply lease{.type = DhcpType::Ack, .address = given.address, .bits = given.bits};
    if (!options.gateway.empty()) {
        SLIPWAY_TRY(auto gateway, parse_address(options.gateway));
        lease.routes.push_back({.gateway = gateway.address});
    }
    return lease;
}

Status write_resolv_conf(const BootOptions& options, const DhcpReply& lease) {
    std::string text;
    if (!lease.domain.empty())
        text += fmt::format("search {}\n", lease.domain);
    for (const auto& server : options.name_servers)
        text += fmt::format("nameserver {}\n", server);
    if (options.name_servers.empty())
        for (auto server : lease.name_servers)
            text += fmt::format("nameserver {}\n", to_text(server));
    ::mkdir("/etc", 0755);
    return sys::write_file("/etc/resolv.conf", text);
}

} // namespace

Result<Network> bring_up_network(const BootOptions& options,
                                 const std::function<void(const std::string&)>& say,
                                 const Cancel& cancel) {
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
            auto lease =
                options.address.empty() ? ask_for_address(link, asking, cancel) : by_hand(options);
            auto applied = lease ? apply_lease(link, *lease) : Status(fail(lease.error()));
            if (applied) {
                SLIPWAY_CHECK(write_resolv_conf(options, *lease));
                return Network{link, *lease};
            }
            if (applied.error().code == Code::Cancelled ||
                applied.error().code == Code::InvalidArgument)
                return fail(std::move(applied.error()));
            last = std::move(applied.error());
        }
    return fail(std::move(last));
}

} // namespace slipway::boot
