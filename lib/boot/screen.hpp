// SPDX-License-Identifier: Apache-2.0
// The kernel's text screen and its keyboard (ioctl_console(2)), which a system that runs has as it
// is: what it may have made of them is set back.
#pragma once

#include <map>
#include <string>
#include <utility>

#include "base/error.hpp"
#include "sys/fd.hpp"

namespace slipway::boot {

/// Of a virtual terminal.
struct ScreenState {
    unsigned number = 0; ///< the one that is shown; 0: this is no screen of the kernel's
    int keyboard = 0;    ///< K_UNICODE, mostly
    /// Keys by their map and code; -1 at code 0: there is no such map.
    std::map<std::pair<unsigned, unsigned>, int> keys{};
};
[[nodiscard]] ScreenState look_at_screen(sys::BorrowedFd terminal);

/// Text instead of graphics, nobody who has to be asked before another terminal is shown, the
/// terminal and the keys of before. Opened again, as logins hang up whoever has it open
/// (vhangup(2)). NotFound: it was no screen. CAP_SYS_TTY_CONFIG.
[[nodiscard]] Result<sys::OwnedFd> restore_screen(const ScreenState& before);

} // namespace slipway::boot
