// SPDX-License-Identifier: Apache-2.0
// The root= and resume= that a guest's configuration gives to its kernels.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "guest/boot_files.hpp"

namespace slipway::guest {

struct BootArgument {
    int line_no = 0;  ///< from 1
    std::string name; ///< "root" or "resume"
    std::string value;
    bool read_at_boot = true; ///< see ArgumentSite
};

/// What stands at the argument sites of a file (boot_files.hpp), in the order of the file. Never
/// fails. Pure.
[[nodiscard]] std::vector<BootArgument> find_boot_arguments(BootFileKind kind,
                                                            std::string_view text);

} // namespace slipway::guest
