// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

namespace slipway::sys {

/// Limits the memory of this process (RLIMIT_DATA, bytes): what it would have beyond is refused
/// with std::bad_alloc, in place of an end by the kernel. Processes that it starts are not limited.
/// A quarter more is there for what goes on a little, and for what cleans up.
void limit_own_memory(std::uint64_t bytes);
/// The limit was reached. Who builds something large looks at it, and stops.
[[nodiscard]] bool own_memory_is_short();
/// After the cleaning.
void renew_own_memory_limit();
/// In a process that was just started. Allocates nothing.
void lift_memory_limit();

} // namespace slipway::sys
