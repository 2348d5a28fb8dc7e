// SPDX-License-Identifier: Apache-2.0
// mdadm's command lines and what it says. Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"
#include "sys/process.hpp"

namespace slipway::storage {

/// What one member says of its array: `mdadm --examine --export`.
struct MemberRecord {
    std::string level;    ///< raid0, raid1, …, linear, container
    unsigned devices = 0; ///< of the whole array, without spares
    std::string name{};   ///< "guest:data"; "" in metadata 0.90
    std::string uuid;     ///< as mdadm writes it
};
/// Corrupt where it is no member of an array.
[[nodiscard]] Result<MemberRecord> parse_member(std::string_view text, std::string_view volume);

[[nodiscard]] sys::ProcessSpec examine_spec(const std::string& node);
/// Always read-only at first, and with what is there: whoever starts it decides what follows.
[[nodiscard]] sys::ProcessSpec assemble_spec(const std::string& array_node, const std::string& uuid,
                                             const std::vector<std::string>& member_nodes);
[[nodiscard]] sys::ProcessSpec stop_spec(const std::string& array_node);

} // namespace slipway::storage
