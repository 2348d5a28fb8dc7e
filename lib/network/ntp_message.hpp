// SPDX-License-Identifier: Apache-2.0
// Messages of SNTP (RFC 4330) as bytes; pure.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/error.hpp"

namespace slipway::network {

/// Since 1970, as the system's clock has it.
using WallTime = std::chrono::nanoseconds;

/// A question. Whoever answers must know the cookie, which should be random: it stands where our
/// time would.
[[nodiscard]] std::string encode_ntp(std::uint64_t cookie);

struct NtpReply {
    WallTime received{}, sent{}; ///< at the server, by its clock
};
/// Corrupt: no answer to that question, or of a server that does not know the time itself. Times
/// before 1968 are of the era that begins in 2036.
[[nodiscard]] Result<NtpReply> decode_ntp(std::string_view bytes, std::uint64_t cookie);
/// What is to be added to our clock, which said `asked` and `answered`.
[[nodiscard]] WallTime ntp_offset(const NtpReply& reply, WallTime asked, WallTime answered);

} // namespace slipway::network
