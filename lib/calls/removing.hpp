// SPDX-License-Identifier: Apache-2.0
// Removes trees.
#pragma once

#include <string>

#include "sys/fd.hpp"

namespace slipway::calls {

/// Removes a name in a directory with all that is below it. It goes on after an error, and gives
/// the first. `shown`: its path, for errors.
[[nodiscard]] Status remove_tree(sys::BorrowedFd directory, const std::string& name,
                                 const std::string& shown);

} // namespace slipway::calls
