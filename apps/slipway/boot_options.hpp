// SPDX-License-Identifier: Apache-2.0
// What the user may say about a machine for a kernel under test.
#pragma once

#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include "ops/boot_kernel.hpp"

namespace slipway::app {

constexpr double longest_timeout = 1e9; // seconds

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

/// "2G" in MiB. InvalidArgument, also for what no machine can work with.
[[nodiscard]] Result<unsigned> parse_memory(const std::string& text);
/// Adds --kernel, --root and all that the machine has.
void add_boot_options(CLI::App& command, BootOptions& options);
/// Completes the request by what stands in the other options as text, and checks it.
/// InvalidArgument.
[[nodiscard]] Status understand(BootOptions& options);

} // namespace slipway::app
