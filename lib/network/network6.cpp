// SPDX-License-Identifier: Apache-2.0
#include "network/network6.hpp"

#include <thread>

#include <fmt/format.h>
#include <linux/if_addr.h>

#include "base/strings.hpp"
#include "base/units.hpp"
#include "sys/fd.hpp"

namespace slipway::network {
namespace {

constexpr std::chrono::seconds for_an_address{5}; // the kernel looks for others that have it: 1 s
constexpr std::chrono::milliseconds between_looks{100};

// A line: address, number of the interface, bits, scope, flags, name (proc_pid_net(5)).
bool has_address(const Link& link) {
    auto text = sys::read_file("/proc/net/if_inet6").value_or("");
    for (auto line : split_lines(text)) {
        auto words = split_words(line);
        if (words.size() < 6 || words[5] != link.name || words[3] != "00")
            continue; // 00: of everywhere
        auto flags = std::strtoul(std::string(words[4]).c_str(), nullptr, 16);
        if ((flags & (IFA_F_TENTATIVE | IFA_F_DADFAILED)) == 0)
            return true;
    }
    return false;
}

} // namespace

std::vector<Address6> Network6::name_servers() const {
    auto all = advice.name_servers;
    if (lease)
        all.insert(all.end(), lease->name_servers.begin(), lease->name_servers.end());
    // Those of the link alone need its name beside them.
    std::erase_if(all, [](const Address6& each) { return each[0] == 0xfe && each[1] >> 6 == 2; });
    return all;
}

Result<Network6> bring_up_network6(const Link& link, const DhcpOptions& options,
                                   const Cancel& cancel) {
    SLIPWAY_TRY(auto advice, ask_routers(link, options, cancel));
    Network6 network{.advice = std::move(advice)};
    if (network.advice.is_managed) {
        auto lease = ask_for_address6(link, options, cancel);
        if (lease)
            SLIPWAY_CHECK(set_address6(link, *lease->address));
        else if (!network.advice.has_addresses)
            return fail(std::move(lease.error()));
        if (lease)
            network.lease = std::move(*lease);
    } else if (network.advice.has_more) {
        if (auto more = ask_for_servers6(link, options, cancel)) {
            more->address.reset();
            network.lease = std::move(*more);
        }
    }
    for (auto until = Clock::now() + for_an_address; !has_address(link);) {
        SLIPWAY_CHECK(cancel.check());
        if (Clock::now() > until)
            return fail(Code::NotFound,
                        fmt::format("the routers on {} have no IPv6 address for us", link.name));
        std::this_thread::sleep_for(between_looks);
    }
    return network;
}

} // namespace slipway::network
