// SPDX-License-Identifier: Apache-2.0
// Modules of the running kernel. Needs CAP_SYS_MODULE; for a machine that is ours alone.
#pragma once

#include <string>

#include "base/error.hpp"

namespace slipway::sys {

/// The directory of this kernel's modules: /lib/modules/RELEASE, or where distributions keep those
/// of User-mode Linux; "" where there is none.
[[nodiscard]] std::string module_directory();

/// Loads a module, by its name or an alias such as "fs-vfat", with those that it needs. No error if
/// it is there already or built in. NotFound: there is no such module.
[[nodiscard]] Status load_module(const std::string& name);

} // namespace slipway::sys
