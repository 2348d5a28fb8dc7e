// SPDX-License-Identifier: Apache-2.0
// Makes a tar archive of a directory.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"
#include "sys/fd.hpp"

namespace slipway::archive {

struct PackOptions {
    std::string compression{};           ///< as of WriterHandle::add_filter; "" for none
    std::vector<std::string> excludes{}; ///< patterns of names, as of `tar --exclude`
    bool xattrs = true;
    bool acls = true;
    bool selinux = true;
    /// Attributes that only root of the host can set again: trusted.*, and of security.* all but
    /// file capabilities.
    bool privileged = true;
    bool root_by_name = false; ///< the owner 0 is called "root"; all others have no names
};

/// Writes the directory and all below it as a tar archive in the pax format, names sorted and
/// beginning with "./". By default owners, modes, times, links, hard links, device nodes, holes,
/// ACLs and extended attributes are kept; sockets are left out, as tar has none. No symbolic link
/// is followed; what is mounted below comes too. Returns how many entries it has. An error of
/// `sink` ends it. InvalidArgument: an unknown compression. Unsupported: nested deeper than 500
/// directories.
[[nodiscard]] Result<std::uint64_t>
pack_directory(sys::BorrowedFd directory, const std::function<Status(std::string_view)>& sink,
               const PackOptions& options = {});

/// Whether a name is excluded: a pattern matches all of it, or what follows one of its slashes.
[[nodiscard]] bool is_excluded(const std::string& name, const std::vector<std::string>& patterns);

} // namespace slipway::archive
