// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

namespace slipway::sys {

/// Limits the memory of this process (RLIMIT_DATA, bytes): what it would have beyond is refused
/// with std::bad_alloc, in place of an end by the kernel. Processes that it starts are not limited.
/// Once it is reached a quarter more is there, for what cleans up.
void limit_own_memory(std::uint64_t bytes);
/// After the cleaning.
void renew_own_memory_limit();
/// In a process that was just started. Allocates nothing.
void lift_memory_limit();

} // namespace slipway::sys
