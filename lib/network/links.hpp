// SPDX-License-Identifier: Apache-2.0
// Network interfaces of this machine: what they are, and their addresses and routes.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "network/dhcp_message.hpp"

namespace slipway::network {

struct Link {
    std::string name;
    unsigned index = 0;
    MacAddress mac{};
    bool is_up = false;
    bool has_carrier = false;
    std::string driver{}; ///< "" of what is no hardware
    bool operator==(const Link&) const = default;
};
[[nodiscard]] std::string to_text(const MacAddress& mac);

/// Ethernet interfaces, those with a carrier first, then in the kernel's order.
[[nodiscard]] Result<std::vector<Link>> ethernet_links();
[[nodiscard]] Status set_up(const std::string& link, bool up = true);
/// Replaces the address. CAP_NET_ADMIN, as all that changes something here.
[[nodiscard]] Status set_address(const std::string& link, Address4 address, unsigned bits);
/// One that is there already is no error.
[[nodiscard]] Status add_route(const std::string& link, const Route4& route);
/// Addresses of both kinds that are not of the link alone: "10.0.2.15/24".
[[nodiscard]] std::vector<std::string> addresses_of(const std::string& link);

/// "10.0.2.15/24"; InvalidArgument.
struct Address4AndBits {
    Address4 address = 0;
    unsigned bits = 32;
};
[[nodiscard]] Result<Address4AndBits> parse_address(std::string_view text);

} // namespace slipway::network
