// SPDX-License-Identifier: Apache-2.0
// The guest's own initramfs generators: how each is told to keep modules, and how it is run. Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "report/inventory.hpp"
#include "report/plan.hpp"

namespace slipway::repair {

using Modules = std::vector<std::string>;

/// Changes the generator's configuration so that the guest's next kernel gets the modules too;
/// nothing where it says so already, or where the generator is not known.
[[nodiscard]] std::optional<report::Action> keep_modules(const report::Inventory& inventory,
                                                         const Modules& modules);

/// Runs of the generator for these kernels, with what must be set up before and taken back after.
/// Empty where the generator is not known. `path` of a run is the image that it writes.
[[nodiscard]] std::vector<report::Action>
regenerate(const report::Inventory& inventory, const std::vector<const report::Kernel*>& kernels);

/// Whether a kernel version may stand in an argument list and a path: letters, digits and . _ + ~
/// -, not beginning with '-' or '.'.
[[nodiscard]] bool is_plain_version(std::string_view version);

} // namespace slipway::repair
