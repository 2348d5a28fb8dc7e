// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

namespace slipway::sys {

struct Memory {
    std::uint64_t total = 0;     ///< bytes
    std::uint64_t available = 0; ///< bytes that a program could have without swapping
};
/// Of the whole machine, as /proc/meminfo tells; zeros without it.
[[nodiscard]] Memory machine_memory();

} // namespace slipway::sys
