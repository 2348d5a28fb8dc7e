// SPDX-License-Identifier: Apache-2.0
// What the user may say about the machine of the sandbox engine, by options or environment.
#pragma once

#include <string>

#include "session/machine_choice.hpp"

namespace slipway::ops {

struct SandboxOptions {
    std::string machine{};   ///< --sandbox: "auto", "uml", "qemu"; "" for SLIPWAY_SANDBOX
    std::string kernel{};    ///< --sandbox-kernel; "" for SLIPWAY_SANDBOX_KERNEL
    unsigned memory_mib = 0; ///< 0: for SLIPWAY_SANDBOX_MEMORY
};

/// Whether an option (not the environment) names a machine: that asks for the sandbox engine, too.
[[nodiscard]] inline bool names_machine(const SandboxOptions& options) {
    return !options.machine.empty() && options.machine != "auto";
}

/// SLIPWAY_UNTRUSTED asks for the sandbox engine for all images.
[[nodiscard]] bool untrusted_by_environment();

/// With SLIPWAY_SANDBOX, _KERNEL, _MODULES, _MEMORY and _TIMEOUT where no option says otherwise.
/// InvalidArgument.
[[nodiscard]] Result<session::MachineOptions> machine_options(const SandboxOptions& options);

} // namespace slipway::ops
