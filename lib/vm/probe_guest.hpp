// SPDX-License-Identifier: Apache-2.0
// The tiny guest that an accelerator has to run.
#pragma once

#include <string>

namespace slipway::vm {

/// What the guest writes to port 0x501 once it runs in long mode, and the status that QEMU's
/// isa-debug-exit device makes of it.
constexpr int probe_guest_status = 2 * 0x21 + 1;

/// A disk of 1 MiB whose boot sector switches to long mode with paging, uses SSE2, counts to 20
/// million and ends the machine. Empty where this program was not built for x86-64.
[[nodiscard]] std::string probe_guest_disk();

} // namespace slipway::vm
