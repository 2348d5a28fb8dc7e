// SPDX-License-Identifier: Apache-2.0
// Signals for the guest's command: noted by a handler, taken by the session's loop.
#pragma once

namespace slipway::app {

/// From now on SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2 and SIGWINCH are noted.
void pass_signals_on();
/// One that came since, each once; 0: none.
[[nodiscard]] int take_signal();
[[nodiscard]] bool take_window_change();

} // namespace slipway::app
