// SPDX-License-Identifier: Apache-2.0
// Boot loaders that firmware fetches, as far as they are installed on this host.
#pragma once

#include <string>
#include <vector>

#include "base/error.hpp"
#include "sys/host.hpp"

namespace slipway::netboot {

struct Loader {
    std::string file; ///< that firmware begins with
    /// Names below the top of the folder, and content.
    std::vector<std::pair<std::string, std::string>> parts{};
};
struct Loaders {
    std::vector<Loader> made{};
    std::vector<std::string> missing{}; ///< one line each, with the remedy
};

/// PXELINUX and iPXE as they are installed, and GRUB made for BIOS and UEFI. Their configurations are not among
/// the parts. ToolFailed: grub-mkimage.
[[nodiscard]] Result<Loaders> find_loaders(const sys::Host& host);

} // namespace slipway::netboot
