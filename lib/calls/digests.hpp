// SPDX-License-Identifier: Apache-2.0
// Checksums of files and devices.
#pragma once

#include <cstdint>
#include <string>

#include "sys/fd.hpp"

namespace slipway::calls {

struct ContentSum {
    std::string text;
    std::uint64_t size = 0; ///< bytes that were read
};
/// Of all that follows the descriptor's position, as of archive::open_digest.
[[nodiscard]] Result<ContentSum> digest_of(const Machine& machine, sys::BorrowedFd file,
                                           const std::string& name, const std::string& type);

} // namespace slipway::calls
