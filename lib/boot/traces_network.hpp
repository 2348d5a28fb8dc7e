// SPDX-License-Identifier: Apache-2.0
// What a system that ran has changed in the network that it shared, and how to undo it.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "boot/changes.hpp"

namespace slipway::boot {

/// Of the network at one time, as the kernel tells it.
struct NetworkState {
    struct Interface {
        std::string name;
        std::string mac;         ///< bytes
        std::uint32_t mtu = 0;   ///< bytes
        std::uint32_t owner = 0; ///< of the bridge or bond that it is part of; 0: of none
        bool is_up = false;
        bool operator==(const Interface&) const = default;
    };
    std::map<std::uint32_t, Interface> interfaces{}; ///< by their numbers, which stay
    struct Entry {
        std::string shown;           ///< "the address 10.0.2.15/24"
        std::uint32_t interface = 0; ///< 0: of none, or of several
        std::string payload{};       ///< a message that makes it again
        bool lasts = true;           ///< until somebody removes it
        bool has_gateway = false;    ///< of a route
        bool operator==(const Entry&) const = default;
    };
    /// By what makes them the same. Only those that somebody set: the kernel makes others of these,
    /// or of what routers say.
    std::map<std::string, Entry> addresses{}, routes{};
    std::set<std::string> packet_filters{};     ///< tables of nftables: family (1 byte) and name
    std::set<std::string> old_packet_filters{}; ///< of iptables before nftables: "filter"
};
[[nodiscard]] NetworkState look_at_network();

/// Interfaces that are new and no hardware are removed; the others get their names, addresses,
/// sizes and owners back, are up or down as before, and have the addresses and routes of before;
/// new tables of packet filters are removed. CAP_NET_ADMIN.
[[nodiscard]] std::vector<Change> undo_network(const NetworkState& before);

} // namespace slipway::boot
