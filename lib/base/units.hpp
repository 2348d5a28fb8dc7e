// SPDX-License-Identifier: Apache-2.0
// Sizes and times as people write them.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/error.hpp"

namespace slipway {

using Clock = std::chrono::steady_clock;
using Seconds = std::chrono::duration<double>;

/// "10G", "512M", "4096", "1.5T" in bytes; suffixes K M G T are powers of 1024, as of qemu-img.
[[nodiscard]] Result<std::uint64_t> parse_size(std::string_view text);
/// 1536 MiB is "1.5 GiB".
[[nodiscard]] std::string format_size(std::uint64_t bytes);
/// "0.42 s", "1 min 20 s".
[[nodiscard]] std::string format_seconds(double seconds);
/// Seconds since 1970: "2026-01-31 12:00:00 UTC".
[[nodiscard]] std::string format_utc(std::int64_t seconds);
[[nodiscard]] inline double seconds_since(Clock::time_point start) {
    return std::chrono::duration_cast<Seconds>(Clock::now() - start).count();
}

} // namespace slipway
