// SPDX-License-Identifier: Apache-2.0
// What may be made again, and the locks of those who make it.
#pragma once

#include <functional>
#include <string>

#include "base/cancel.hpp"
#include "base/log.hpp"
#include "sys/fd.hpp"

namespace slipway::sys {

/// $SLIPWAY_CACHE, else slipway in $XDG_CACHE_HOME or in ~/.cache, whether or not it is there.
/// InvalidArgument where none of them is known.
[[nodiscard]] Result<std::string> cache_directory();

enum class LockMode { Shared, Alone };
/// Waits for the lock (flock(2)) of a file or directory; says once that it waits for `what`.
/// Cancelled.
[[nodiscard]] Status wait_for_lock(BorrowedFd file, LockMode mode, const std::string& what,
                                   const Cancel& cancel, const Log& log);

/// Makes a directory of the cache unless it is there: `fill` gets an empty one under another name,
/// which is renamed when it is whole. One process at a time does that beside each other, and takes
/// away what a killed one left. Errors are those of `fill`; Permission, NoSpace, Cancelled.
[[nodiscard]] Status make_cached(const std::string& directory,
                                 const std::function<Status(const std::string&)>& fill,
                                 const Cancel& cancel, const Log& log);

} // namespace slipway::sys
