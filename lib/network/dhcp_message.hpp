// SPDX-License-Identifier: Apache-2.0
// Messages of DHCP for IPv4 (RFC 2131, 2132, 3396, 3442); pure.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"

namespace slipway::network {

using MacAddress = std::array<std::uint8_t, 6>;
/// Of IPv4, in the host's order.
using Address4 = std::uint32_t;
[[nodiscard]] std::string to_text(Address4 address);

enum class DhcpType : std::uint8_t {
    Discover = 1,
    Offer = 2,
    Request = 3,
    Decline = 4,
    Ack = 5,
    Nak = 6,
    Release = 7
};

struct DhcpRequest {
    DhcpType type = DhcpType::Discover;
    std::uint32_t transaction = 0;
    MacAddress mac{};
    std::uint16_t seconds = 0;        ///< since the first of them
    Address4 current = 0;             ///< the address, where it is renewed
    std::optional<Address4> wanted{}; ///< that was offered
    std::optional<Address4> server{}; ///< that offered it
    std::string hostname{};
};
[[nodiscard]] std::string encode_dhcp(const DhcpRequest& request);

struct Route4 {
    Address4 destination = 0;
    unsigned bits = 0;
    Address4 gateway = 0;
    bool operator==(const Route4&) const = default;
};

/// What a server offers or acknowledges.
struct DhcpReply {
    DhcpType type = DhcpType::Offer;
    std::uint32_t transaction = 0;
    MacAddress mac{};
    Address4 address = 0;
    unsigned bits = 24;
    Address4 server = 0;
    std::vector<Route4> routes{}; ///< the default route with 0 bits
    std::vector<Address4> name_servers{};
    std::vector<Address4> time_servers{};
    std::string domain{};
    std::string hostname{};
    std::uint32_t lease = 3600;     ///< seconds
    std::uint32_t renew_after = 0;  ///< seconds
    std::uint32_t rebind_after = 0; ///< seconds
};
/// Corrupt for what is no reply of a server, or has no address where it must.
[[nodiscard]] Result<DhcpReply> decode_dhcp(std::string_view bytes);

} // namespace slipway::network
