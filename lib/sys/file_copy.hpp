// SPDX-License-Identifier: Apache-2.0
// Content and extended attributes of open files. `shown`: the file's path, for errors.
#pragma once

#include <string>
#include <vector>

#include "base/cancel.hpp"
#include "sys/fd.hpp"

namespace slipway::sys {

/// Copies all data of a file to an empty one; holes stay holes, and where the filesystem can, the
/// two share their blocks. Cancelled.
[[nodiscard]] Status copy_content(BorrowedFd from, BorrowedFd to, const std::string& shown,
                                  const Cancel& cancel = {});

// These take files that are open to look at (O_PATH) as well, links among them.
[[nodiscard]] Result<std::string> attribute_of(BorrowedFd file, const std::string& shown,
                                               const std::string& name);
/// In the order of their names.
[[nodiscard]] Result<std::vector<std::string>> attribute_names(BorrowedFd file,
                                                               const std::string& shown);
/// All of them, ACLs too.
[[nodiscard]] Status copy_extended_attributes(BorrowedFd from, BorrowedFd to,
                                              const std::string& shown);

} // namespace slipway::sys
