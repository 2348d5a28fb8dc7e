// SPDX-License-Identifier: Apache-2.0
// Which accelerator a virtual machine gets. KVM counts only after it has run a guest: there are
// hosts whose /dev/kvm opens and makes machines that never get anywhere.
#pragma once

#include <string>

#include "sys/host.hpp"

namespace slipway::vm {

struct Accelerator {
    std::string name = "tcg"; ///< of QEMU's -accel
    std::string reason;       ///< one line for the report
};

/// Runs a tiny guest under KVM, for three seconds at most; the verdict is kept until the next boot
/// of the host (a bad one for an hour) in `state_directory()`. Falls back to TCG. Cancelled;
/// Unsupported where QEMU is missing.
[[nodiscard]] Result<Accelerator> choose_accelerator(const sys::Host& host);

/// Whether a kept verdict says so; nothing is run.
[[nodiscard]] bool is_kvm_known_to_work();

/// Whether the tiny guest runs under an accelerator, without looking at kept verdicts.
[[nodiscard]] Result<Accelerator> prove_accelerator(const sys::Host& host, const std::string& name);

/// What QEMU may touch apart from the files of its disks, which the caller adds.
[[nodiscard]] sys::Confinement qemu_confinement(const std::string& accelerator);

/// /run/slipway for root, else $XDG_RUNTIME_DIR/slipway; "" where there is neither.
[[nodiscard]] std::string state_directory();

/// QEMU was not found: says so with the remedy.
[[nodiscard]] Error qemu_is_missing();

} // namespace slipway::vm
