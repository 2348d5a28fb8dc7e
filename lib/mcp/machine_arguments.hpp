// SPDX-License-Identifier: Apache-2.0
// What the tools share that boot a kernel under test, and the records of its reports.
#pragma once

#include "mcp/tool.hpp"
#include "ops/boot_kernel.hpp"

namespace slipway::mcp {

struct KernelArguments : Waiting {
    std::string kernel_path;
    unsigned memory_mib = 2048;
    unsigned cpus = 2;
    std::string accelerator = "auto";
    std::string append{};
    static Shape<KernelArguments> shape();
};

/// A complaint of the kernel.
struct ReportRecord {
    std::string kind;
    std::string title;
    std::string function;
    std::uint64_t line = 0;
    bool fatal = false;
    static Shape<ReportRecord> shape();
};
[[nodiscard]] std::vector<ReportRecord> records_of(const std::vector<vm::KernelReport>& reports);

} // namespace slipway::mcp
