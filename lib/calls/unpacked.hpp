// SPDX-License-Identifier: Apache-2.0
// What is in a compressed file.
#pragma once

#include <string>

#include "archive/compression.hpp"
#include "calls/files.hpp"

namespace slipway::calls {

/// The content of a file packed so, in one stream or several; of any other file as it is. The file
/// is read from its start, and borrowed.
[[nodiscard]] Source unpacked_content_of(Cancel cancel, sys::BorrowedFd file, std::string name,
                                         archive::Compression compression);

} // namespace slipway::calls
