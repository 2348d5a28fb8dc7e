// SPDX-License-Identifier: Apache-2.0
// The request "run": one command in the enhanced chroot, its streams passed through.
#pragma once

#include "base/json.hpp"
#include "enter/enter.hpp"
#include "work/peer.hpp"

namespace slipway::work {

/// {"argv", "env", "cwd", "network", "tty", "rows", "columns", "deadline_ms", "input"} ->
/// {"status", "exec_errno", "timed_out", "timings"}. Cancel kills the command.
[[nodiscard]] Result<Json> run_command(const enter::Root& root, const Json& arguments, Peer& peer);

} // namespace slipway::work
