// SPDX-License-Identifier: Apache-2.0
// Makes a cpio archive of a directory.
#pragma once

#include <functional>
#include <string_view>

#include "base/error.hpp"
#include "sys/fd.hpp"

namespace slipway::archive {

/// Writes the directory, as ".", and all below it as a newc archive, or one with sums of the
/// content. What has several names has its content at the first. An error of `sink` ends it.
/// Unsupported: a file of 4 GiB or more.
[[nodiscard]] Status pack_cpio(sys::BorrowedFd directory, bool sums,
                               const std::function<Status(std::string_view)>& sink);

} // namespace slipway::archive
