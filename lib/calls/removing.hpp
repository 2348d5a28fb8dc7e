// SPDX-License-Identifier: Apache-2.0
// Removes trees.
#pragma once

#include <string>

#include "base/cancel.hpp"
#include "sys/fd.hpp"

namespace slipway::calls {

/// Removes a name in a directory with all that is below it. It goes on after an error, and gives
/// the first; Cancelled ends it. `shown`: its path, for errors.
[[nodiscard]] Status remove_tree(sys::BorrowedFd directory, const std::string& name,
                                 const std::string& shown, const Cancel& cancel);

} // namespace slipway::calls
