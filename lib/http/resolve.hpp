// SPDX-License-Identifier: Apache-2.0
// Names of hosts, without the C library's resolver.
#pragma once

#include <string>
#include <vector>

#include "base/cancel.hpp"
#include "base/error.hpp"

namespace slipway::http {

/// Of IPv4 or IPv6.
[[nodiscard]] bool is_address(const std::string& host);
/// Addresses of a host, IPv4 and IPv6, by /etc/hosts and the servers of /etc/resolv.conf; of an
/// address itself. NotFound, Cancelled.
[[nodiscard]] Result<std::vector<std::string>> resolve(const std::string& host,
                                                       const Cancel& cancel);

} // namespace slipway::http
