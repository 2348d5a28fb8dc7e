// SPDX-License-Identifier: Apache-2.0
// Parts of files and devices, read and written.
#pragma once

#include <cstdint>
#include <string>

#include "calls/files.hpp"

namespace slipway::calls {

/// At most `count` bytes from `offset` on.
[[nodiscard]] Status send_range(const Cancel& cancel, sys::BorrowedFd file, const std::string& name,
                                std::int64_t count, std::int64_t offset, const Output& output);
/// Writes all of the input from `offset` on; how many bytes it was.
[[nodiscard]] Result<std::int64_t> receive_range(sys::BorrowedFd file, const std::string& name,
                                                 std::int64_t offset, const Input& input);

} // namespace slipway::calls
