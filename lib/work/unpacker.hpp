// SPDX-License-Identifier: Apache-2.0
// A process that unpacks an archive: locked into the directory that it unpacks into, and without
// any right that unpacking does not need.
#pragma once

#include <cstdint>
#include <string>

#include "report/finding.hpp"
#include "sys/fd.hpp"
#include "sys/host.hpp"

namespace slipway::work {

/// Unpacks the first `size` bytes of `archive` into `directory`. What could not be restored is a
/// finding. Errors of archive::unpack_here. Needs root.
[[nodiscard]] Result<report::Findings> unpack_archive(const sys::Host& host,
                                                      sys::BorrowedFd archive, std::uint64_t size,
                                                      const std::string& directory);

/// The process itself: descriptor 3 is the archive, 4 the directory. The answer goes to standard
/// output. Returns the exit status.
[[nodiscard]] int serve_unpacker(const char* size);

} // namespace slipway::work
