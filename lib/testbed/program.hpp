// SPDX-License-Identifier: Apache-2.0
// One program in the root of a machine under test.
#pragma once

#include "base/json.hpp"
#include "work/peer.hpp"

namespace slipway::testbed {

/// Runs it to its end; arguments and answer of "command" are in the README. As PID 1: what it
/// leaves behind is killed.
[[nodiscard]] Result<Json> run_program(const Json& arguments, work::Peer& peer);

/// Kills all processes but this one, as PID 1.
void end_all_others();

} // namespace slipway::testbed
