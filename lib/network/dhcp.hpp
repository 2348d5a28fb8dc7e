// SPDX-License-Identifier: Apache-2.0
// Gets an address for an interface, and keeps it.
#pragma once

#include <chrono>
#include <functional>

#include "base/cancel.hpp"
#include "network/dhcp_message.hpp"
#include "network/links.hpp"

namespace slipway::network {

struct DhcpOptions {
    std::string hostname{};
    std::chrono::seconds limit{30}; ///< for all tries together
    /// Each step, for whoever looks for what goes wrong.
    std::function<void(const std::string&)> told = [](const std::string&) {};
};

/// Asks until a server acknowledges an address for the link, which must be up. Timeout, Cancelled;
/// CAP_NET_ADMIN and the port 68.
[[nodiscard]] Result<DhcpReply> ask_for_address(const Link& link, const DhcpOptions& options,
                                                const Cancel& cancel);
/// Asks once more for what was given. Busy: the server does not want that any more.
[[nodiscard]] Result<DhcpReply> renew_address(const Link& link, const DhcpReply& lease,
                                              const DhcpOptions& options, const Cancel& cancel);
/// Address and routes.
[[nodiscard]] Status apply_lease(const Link& link, const DhcpReply& lease);

} // namespace slipway::network
