// SPDX-License-Identifier: Apache-2.0
// What an IPv6 network has for an interface: its routers are asked, and DHCP where they say so.
#pragma once

#include "base/cancel.hpp"
#include "network/dhcp.hpp"
#include "network/dhcp6_message.hpp"

namespace slipway::network {

/// Asks until a router answers. Addresses that it lets machines make are made by the kernel, which
/// hears the same answer. Timeout: there is no router; Unsupported: the kernel has no IPv6. Needs
/// CAP_NET_RAW.
[[nodiscard]] Result<RouterAdvice> ask_routers(const Link& link, const DhcpOptions& options,
                                               const Cancel& cancel);

/// Asks until a server gives an address to the link, which must be up. Timeout; NotFound: it has
/// none. CAP_NET_ADMIN and the port 546.
[[nodiscard]] Result<Dhcp6Reply> ask_for_address6(const Link& link, const DhcpOptions& options,
                                                  const Cancel& cancel);
/// Servers of names alone. Timeout.
[[nodiscard]] Result<Dhcp6Reply> ask_for_servers6(const Link& link, const DhcpOptions& options,
                                                  const Cancel& cancel);
/// Asks that server once more, or with `any` all of them, for what was given. NotFound: it has it
/// no more; Timeout.
[[nodiscard]] Result<Dhcp6Reply> renew_address6(const Link& link, const Dhcp6Reply& lease, bool any,
                                                const DhcpOptions& options, const Cancel& cancel);
/// Sets or removes it.
[[nodiscard]] Status set_address6(const Link& link, const Address6& address, bool is_there = true);

} // namespace slipway::network
