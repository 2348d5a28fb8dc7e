// SPDX-License-Identifier: Apache-2.0
// The bootstrap from its start to the prompt, and what its commands do.
#pragma once

#include "network/ntp_message.hpp"

namespace slipway::boot {

/// As PID 1. Does not come back: what goes wrong is told at the consoles, and the prompt stays.
/// `built`: no clock that is right says less.
[[noreturn]] void run_bootstrap(network::WallTime built);

} // namespace slipway::boot
