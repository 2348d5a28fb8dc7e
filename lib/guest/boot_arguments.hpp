// SPDX-License-Identifier: Apache-2.0
// The root= and resume= that a guest's boot files give to its kernels.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace slipway::guest {

struct BootArgument {
    int line_no = 0;  ///< from 1
    std::string name; ///< "root" or "resume"
    std::string value;
};

/// Arguments of kernels in a file that the boot itself reads: grub.cfg and menu.lst (commands
/// linux, linux16, linuxefi, kernel, module; never "set root="), entries of the Boot Loader
/// Specification (options), extlinux.conf (append) and grubenv (kernelopts). `path` says which it
/// is; nothing for other files. Never fails. Pure.
[[nodiscard]] std::vector<BootArgument> find_boot_arguments(std::string_view path,
                                                            std::string_view text);

} // namespace slipway::guest
