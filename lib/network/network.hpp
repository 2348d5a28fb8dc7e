// SPDX-License-Identifier: Apache-2.0
// From interfaces to an address, routes and servers of names.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/cancel.hpp"
#include "network/dhcp.hpp"
#include "network/network6.hpp"

namespace slipway::network {

struct NetworkOptions {
    std::string address{};                   ///< "10.0.0.5/24"; "": by DHCP
    std::string gateway{};                   ///< with such an address
    std::vector<std::string> name_servers{}; ///< instead of the network's
    std::string interface {};                ///< its name, or its MAC address; "": any
    bool debug = false;                      ///< every step is told
};

struct Network {
    Link link{};
    DhcpReply lease{};             ///< of an address that was given by hand: without a server
    std::optional<Network6> six{}; ///< where it was needed: see Leases
};

/// Sets the links up, and takes the first that gets an address: as the options say, or by DHCP, and
/// where no server answers by IPv6; one after the other until `options`' interface or any has one.
/// Writes /etc/resolv.conf. Timeout: nobody answers on any; NotFound: there is no interface.
[[nodiscard]] Result<Network> bring_up_network(const NetworkOptions& options,
                                               const std::function<void(const std::string&)>& say,
                                               const Cancel& cancel);
/// Servers of names, in /etc/resolv.conf: those of the options, or else of the network.
[[nodiscard]] Status write_resolv_conf(const NetworkOptions& options, const Network& network);

} // namespace slipway::network
