// SPDX-License-Identifier: Apache-2.0
// Extended attributes of files that are open to look at (O_PATH), links among them.
#pragma once

#include <string>
#include <vector>

#include "sys/fd.hpp"

namespace slipway::calls {

/// `shown`: the file's path, for errors.
[[nodiscard]] Result<std::string> attribute_of(sys::BorrowedFd file, const std::string& shown,
                                               const std::string& name);
[[nodiscard]] Result<std::vector<std::string>> attribute_names(sys::BorrowedFd file,
                                                               const std::string& shown);
/// All of them, ACLs too.
[[nodiscard]] Status copy_extended_attributes(sys::BorrowedFd from, sys::BorrowedFd to,
                                              const std::string& shown);

} // namespace slipway::calls
