// SPDX-License-Identifier: Apache-2.0
// What the machine is and does, for those at the prompt and for the server that it reports to.
#pragma once

#include <string>

#include "base/json.hpp"
#include "boot/state.hpp"

namespace slipway::boot {

/// What does not change: "mac" of its first interface, "product" as its firmware says, "kernel",
/// "serial", "architecture".
[[nodiscard]] Json about_machine();
/// What does: the state (see render_state), "memory" in bytes, "uptime" in seconds, "addresses",
/// and what is "under_way" ("": nothing).
[[nodiscard]] Json about_now(const State& state, const std::string& under_way);
/// The same, in lines for people.
[[nodiscard]] std::string about_now_text(const State& state, const std::string& under_way);

} // namespace slipway::boot
