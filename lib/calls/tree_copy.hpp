// SPDX-License-Identifier: Apache-2.0
// Copies files and trees inside the guest.
#pragma once

#include "calls/files.hpp"

namespace slipway::calls {

struct CopyStyle {
    bool recursive = false; ///< directories, too; links stay links
    bool preserve = false;  ///< owners, modes, times, extended attributes, hard links
};

/// As cp(1): into `target` where that is a directory. No link inside of the trees is followed.
[[nodiscard]] Status copy_tree(Machine& machine, const sys::GuestPath& source,
                               const sys::GuestPath& target, const CopyStyle& style);

/// Where a name goes: into the directory that `target` is, under the source's name, or `target`.
[[nodiscard]] sys::GuestPath place_under(const sys::RootDir& root, const sys::GuestPath& source,
                                         const sys::GuestPath& target);

} // namespace slipway::calls
