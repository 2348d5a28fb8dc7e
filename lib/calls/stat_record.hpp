// SPDX-License-Identifier: Apache-2.0
// What a file is, as the API's records have it, and whether it holds anything.
#pragma once

#include <string>

#include <sys/stat.h>

#include "base/json.hpp"
#include "sys/fd.hpp"

namespace slipway::calls {

[[nodiscard]] Json stat_record(const struct stat& info);
[[nodiscard]] Json statns_record(const struct stat& info);
/// Whether nothing but zeros follows the descriptor's position.
[[nodiscard]] Result<bool> holds_zeros(sys::BorrowedFd file, const std::string& name);

} // namespace slipway::calls
