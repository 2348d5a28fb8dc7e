// SPDX-License-Identifier: Apache-2.0
// The worker's side of a session: reads requests, lets the worker answer, until the client goes.
#pragma once

#include "session/channel.hpp"

namespace slipway::session {

/// Serves one client. Returns the worker's exit status.
[[nodiscard]] int serve(Channel channel);

} // namespace slipway::session
