// SPDX-License-Identifier: Apache-2.0
// What a program or library needs to start, by its ELF headers (elf(5), ld.so(8)).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"

namespace slipway::appliance {

struct ElfNeeds {
    std::string interpreter{};            ///< "" for a library or a static program
    std::vector<std::string> libraries{}; ///< DT_NEEDED
    std::vector<std::string> run_path{};  ///< DT_RUNPATH or DT_RPATH; may begin with $ORIGIN
};

/// Pure; `bytes` may be anything. Unsupported unless it is a 64-bit little-endian ELF file; Corrupt
/// where it points out of itself.
[[nodiscard]] Result<ElfNeeds> parse_elf_needs(std::string_view bytes);

} // namespace slipway::appliance
