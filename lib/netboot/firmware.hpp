// SPDX-License-Identifier: Apache-2.0
// Files that drivers load into their hardware.
#pragma once

#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "archive/cpio_writer.hpp"
#include "base/error.hpp"

namespace slipway::netboot {

/// What a module names (MODULE_FIRMWARE): "bnx2/bnx2-mips-06-6.2.3.fw"; pure. Names that would
/// leave the directory are left out.
[[nodiscard]] std::vector<std::string> firmware_of(std::string_view module);

struct Firmware {
    std::size_t files = 0;
    std::uint64_t bytes = 0;
    std::set<std::string> lacking{}; ///< modules for which a file is missing
};
struct FirmwareWish {
    std::string module; ///< its name
    std::vector<std::string> files{};
};
/// Adds those that are in `directory`, unpacked. One that is named twice comes once.
[[nodiscard]] Result<Firmware> add_firmware(const std::string& directory,
                                            const std::vector<FirmwareWish>& wishes,
                                            archive::CpioTree& tree);

} // namespace slipway::netboot
