// SPDX-License-Identifier: Apache-2.0
// All that is below a directory, without following a link.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/cancel.hpp"
#include "base/error.hpp"
#include "sys/fd.hpp"
#include "sys/root_dir.hpp"

namespace slipway::sys {

/// What a walk has come to.
struct WalkEntry {
    BorrowedFd directory; ///< that it is in, open for reading
    const std::string& name;
    const std::string& path; ///< from the top: "etc/fstab"
    unsigned char type;      ///< DT_* of readdir(3), never DT_UNKNOWN
};
struct TreeVisitor {
    /// For each entry, a directory before what is in it; false: do not go into this directory. It
    /// may remove the entry.
    std::function<Result<bool>(const WalkEntry&)> enter;
    /// For each directory that was gone into, after what is in it. May be empty.
    std::function<Status(const WalkEntry&)> leave{};
    bool sorted = false; ///< the entries of a directory in the order of their names
    Cancel cancel{};
};

/// Visits the tree below `top`, mounts included. Needs few descriptors at any depth, and memory for
/// the names of the directories on the way. An error of the visitor ends it. Unsupported: a path
/// longer than 1 MiB. Cancelled.
[[nodiscard]] Status walk_tree(BorrowedFd top, const TreeVisitor& visitor);

/// Entries of an open directory, without "." and "..", in the order of the filesystem. Cancelled.
[[nodiscard]] Result<std::vector<DirEntry>> read_directory(BorrowedFd directory,
                                                           const Cancel& cancel = {});
/// Of a directory that may change, or go away, while it is looked at: what could be read, perhaps
/// nothing.
[[nodiscard]] std::vector<std::string> names_in(const std::string& directory);

} // namespace slipway::sys
