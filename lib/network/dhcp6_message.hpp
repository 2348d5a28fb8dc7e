// SPDX-License-Identifier: Apache-2.0
// Messages of DHCP for IPv6 (RFC 8415), and what routers say (RFC 4861, 8106); pure.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "network/dhcp_message.hpp"

namespace slipway::network {

/// As it goes over the network.
using Address6 = std::array<std::uint8_t, 16>;
[[nodiscard]] std::string to_text(const Address6& address);

/// What a router tells all on its network.
struct RouterAdvice {
    bool has_addresses = false; ///< that machines make for themselves
    bool is_managed = false;    ///< DHCP has addresses
    bool has_more = false;      ///< DHCP has other things, such as servers of names
    std::vector<Address6> name_servers{};
};
/// Corrupt for what is no such message.
[[nodiscard]] Result<RouterAdvice> decode_router_advice(std::string_view bytes);
/// The question for it.
[[nodiscard]] std::string encode_router_question(const MacAddress& mac);

enum class Dhcp6Type : std::uint8_t {
    Solicit = 1,
    Advertise = 2,
    Request = 3,
    Renew = 5,
    Rebind = 6,
    Reply = 7,
    InformationRequest = 11
};

struct Dhcp6Request {
    Dhcp6Type type = Dhcp6Type::Solicit;
    std::uint32_t transaction = 0; ///< 24 bits
    MacAddress mac{};              ///< of which the identity is made
    std::uint16_t elapsed = 0;     ///< hundredths of a second since the first of them
    std::string server{};          ///< its identity; "": all servers
    std::optional<Address6> address{};
};
[[nodiscard]] std::string encode_dhcp6(const Dhcp6Request& request);

struct Dhcp6Reply {
    Dhcp6Type type = Dhcp6Type::Reply;
    std::uint32_t transaction = 0;
    std::string server{};              ///< its identity
    std::optional<Address6> address{}; ///< none where it gives none
    std::vector<Address6> name_servers{};
    std::string refusal{};          ///< what it says instead of an address
    std::uint32_t lease = 0;        ///< seconds
    std::uint32_t renew_after = 0;  ///< seconds
    std::uint32_t rebind_after = 0; ///< seconds
};
/// Corrupt for what is no answer of a server to this machine.
[[nodiscard]] Result<Dhcp6Reply> decode_dhcp6(std::string_view bytes, const MacAddress& mac);

} // namespace slipway::network
