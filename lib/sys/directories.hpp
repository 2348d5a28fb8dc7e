// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include <sys/stat.h>

#include "base/error.hpp"
#include "sys/fd.hpp"

namespace slipway::sys {

/// Makes a directory and those above it, as the umask has it; one that is there is no error.
[[nodiscard]] Status make_directories(const std::string& path);

/// $VARIABLE/slipway/NAME, or ~/FALLBACK/slipway/NAME, as the XDG base directory specification has
/// it: "XDG_DATA_HOME" and ".local/share". NotFound: neither is set.
[[nodiscard]] Result<std::string> user_directory(const char* variable, const char* fallback,
                                                 const char* name);

/// Makes a directory for a large tree, on ext4 anywhere on the disk. For minutes after files were
/// deleted ext4 passes by their inodes one by one for each file that is made near them
/// (recently_deleted in fs/ext4/ialloc.c): there a tree takes ten times as long to make. The mode
/// is that, whatever the umask.
[[nodiscard]] Status make_scattered_directory(BorrowedFd parent, const std::string& name,
                                              mode_t mode);

} // namespace slipway::sys
