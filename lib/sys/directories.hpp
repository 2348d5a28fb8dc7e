// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "base/error.hpp"

namespace slipway::sys {

/// Makes a directory and those above it, as the umask has it; one that is there is no error.
[[nodiscard]] Status make_directories(const std::string& path);

} // namespace slipway::sys
