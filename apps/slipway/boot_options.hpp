// SPDX-License-Identifier: Apache-2.0
// What the user may say about a machine for a kernel under test.
#pragma once

#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include "ops/boot_kernel.hpp"

namespace slipway::app {

struct BootOptions {
    ops::BootKernelRequest request{};
    bool read_write = false;
    bool overlay = false;
    std::vector<std::string> shared{}; ///< GUEST=HOST
    std::vector<std::string> shared_read_only{};
    std::vector<std::string> disks{}; ///< SIZE|FILE[,serial=S]
    std::string memory = "2G";
    std::string console{};
    double timeout = 0;
};

/// Adds --kernel, --root and all that the machine has.
void add_boot_options(CLI::App& command, BootOptions& options);
/// Completes the request by what stands in the other options as text. InvalidArgument.
[[nodiscard]] Status understand(BootOptions& options);

} // namespace slipway::app
