// SPDX-License-Identifier: Apache-2.0
// Filesystems that the bootstrap shares with a system, which mounts them anew: of what such a mount
// says, "read-only" holds for all of them.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "boot/changes.hpp"

namespace slipway::boot {

/// Where what is mounted cannot be written to, in this process's namespace.
[[nodiscard]] std::set<std::string> read_only_mounts();
/// Makes the filesystem there one that can be written to, again. CAP_SYS_ADMIN.
[[nodiscard]] Status make_writable(const std::string& mount);
[[nodiscard]] std::vector<Change> undo_read_only(const std::set<std::string>& before);

} // namespace slipway::boot
