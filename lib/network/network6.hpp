// SPDX-License-Identifier: Apache-2.0
// What an IPv6 network gives to an interface: addresses that its routers let machines make, and by
// DHCP where they say so.
#pragma once

#include <optional>
#include <vector>

#include "network/dhcp6.hpp"

namespace slipway::network {

struct Network6 {
    RouterAdvice advice{};
    std::optional<Dhcp6Reply> lease{}; ///< of DHCP; its address is set

    [[nodiscard]] std::vector<Address6> name_servers() const;
};
/// Asks the routers, and the servers that they know of, and waits until the interface has an
/// address that nobody else has. Timeout: no router answers; NotFound: there is no address for us.
/// CAP_NET_ADMIN, CAP_NET_RAW.
[[nodiscard]] Result<Network6> bring_up_network6(const Link& link, const DhcpOptions& options,
                                                 const Cancel& cancel);

} // namespace slipway::network
