// SPDX-License-Identifier: Apache-2.0
// Limits that both ends of a session know.
#pragma once

#include <cstdint>

namespace slipway {

/// Bytes of what a call gives as its value: the client holds it in memory, whole.
constexpr std::uint64_t longest_value = std::uint64_t{2} << 30;

} // namespace slipway
