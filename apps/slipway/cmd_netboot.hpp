// SPDX-License-Identifier: Apache-2.0
// What the verbs of operators below `slipway netboot` share.
#pragma once

#include <string>

#include "invocation.hpp"
#include "ops/netboot_control.hpp"

namespace slipway::app {

struct MachineOptions {
    ops::NetbootOperator as{};
    std::string machine{}, image{};
    const CLI::App* verb = nullptr; ///< with further words for the machine
    bool once = false, forget = false;
};

/// machines, approve, load, return, log and console.
void declare_netboot_machines(CLI::App& netboot, Invocation& invocation);
[[nodiscard]] Result<int> attend_netboot_console(Invocation& invocation,
                                                 const MachineOptions& options);

} // namespace slipway::app
