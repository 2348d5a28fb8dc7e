// SPDX-License-Identifier: Apache-2.0
// Which of a kernel's modules the bootstrap takes along.
#pragma once

#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "appliance/tested_kernel.hpp"
#include "archive/cpio_writer.hpp"
#include "base/error.hpp"
#include "netboot/firmware.hpp"

namespace slipway::netboot {

struct ModuleChoice {
    bool all = false;
    bool net = false;     ///< of network cards
    bool storage = false; ///< of disks and what is made of them
    std::vector<std::string> names{};
};
/// "net,storage", "all", "none", "net,ixgbe,8021q". InvalidArgument.
[[nodiscard]] Result<ModuleChoice> parse_module_choice(std::string_view text);

/// Files below the modules' directory, with all that they depend on, in order: those that the
/// bootstrap itself needs, and the choice. Pure. NotFound: a named one is neither there nor built
/// in.
[[nodiscard]] Result<std::vector<std::string>> choose_modules(std::string_view modules_dep,
                                                              std::string_view modules_builtin,
                                                              const ModuleChoice& choice);

struct PackedModules {
    std::set<std::string> names{};        ///< as module_name has them
    std::vector<FirmwareWish> firmware{}; ///< of those for network cards
};
/// Adds them, unpacked, since only newer kernels read packed ones, and the indexes of just them.
[[nodiscard]] Result<PackedModules> add_modules(const appliance::TestedKernel& kernel,
                                                const ModuleChoice& choice,
                                                archive::CpioTree& tree);

} // namespace slipway::netboot
