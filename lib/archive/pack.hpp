// SPDX-License-Identifier: Apache-2.0
// Makes a tar archive of a directory.
#pragma once

#include <cstdint>
#include <functional>
#include <string_view>

#include "base/error.hpp"
#include "sys/fd.hpp"

namespace slipway::archive {

/// Writes the directory and all below it as a tar archive in the pax format, names sorted and
/// beginning with "./". Owners, modes, times, links, hard links, device nodes, holes, ACLs and
/// extended attributes are kept; sockets are left out, as tar has none. No symbolic link is
/// followed; what is mounted below comes too. Returns how many entries it has. An error of `sink`
/// ends it. Unsupported: nested deeper than 500 directories.
[[nodiscard]] Result<std::uint64_t>
pack_directory(sys::BorrowedFd directory, const std::function<Status(std::string_view)>& sink);

} // namespace slipway::archive
