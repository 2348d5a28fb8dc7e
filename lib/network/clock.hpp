// SPDX-License-Identifier: Apache-2.0
// The machine's clock, which may be years off, and certificates have dates.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/cancel.hpp"
#include "http/url.hpp"
#include "network/ntp_message.hpp"

namespace slipway::network {

struct ClockOptions {
    std::vector<std::string> servers{};   ///< of NTP: names or addresses
    std::uint16_t port = 123;             ///< of these
    std::optional<http::Url> web{};       ///< whose header Date is taken where none answers
    WallTime not_before{};                ///< when this program was built
    std::chrono::milliseconds wait{1000}; ///< for each answer; each server is asked twice
    std::function<WallTime()> now{};      ///< none: the system's clock; others are for tests
    std::function<Status(WallTime)> set{};
};

/// Sets the clock, and says by how much. No time server proves who it is, so what it says is taken
/// only as far as it does little harm: never a time before this program was built. The header Date
/// comes from whatever server, with whatever certificate, since its dates cannot be judged yet: it
/// is taken only where our clock is before that time, and thus wrong for certain. Errors: NotFound,
/// Timeout: nobody says what time it is; Corrupt: only such a time; Permission; Cancelled.
[[nodiscard]] Result<std::string> set_clock(const ClockOptions& options, const Cancel& cancel);

/// "Sun, 06 Nov 1994 08:49:37 GMT"; nothing of others; pure.
[[nodiscard]] std::optional<WallTime> parse_http_date(const std::string& text);

} // namespace slipway::network
