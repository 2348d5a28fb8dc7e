// SPDX-License-Identifier: Apache-2.0
// Unpacks a tar archive that nobody trusts.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "sys/fd.hpp"

namespace slipway::archive {

struct UnpackOptions {
    /// Below the working directory only: first slashes of names are left out, entries with ".." are
    /// incomplete.
    bool below = false;
    /// "gzip", "bzip2", "xz", "compress", or "none": nothing else is taken. "": any known one.
    std::string compression{};
    bool xattrs = true;
    bool acls = true;
    bool selinux = true;
    /// Of device nodes only those that every system may have for everybody: null, zero, full,
    /// random, urandom and tty by their numbers. The others are left out, and in a user
    /// namespace these, too: nobody may make one there.
    bool harmless_devices = false;
};

struct Unpacked {
    std::uint64_t entries = 0;
    std::uint64_t incomplete = 0; ///< entries that are not as the archive has them, or are missing
    std::vector<std::string> examples{}; ///< a few of these, with the reason
    std::vector<std::string> left_out{}; ///< device nodes, as far as they were not wanted; a few
};

/// Unpacks into the working directory, below the root directory of this process: names may
/// be absolute, hold "..", or lead through links, and the root is what keeps them inside. Owners,
/// modes, times, links, device nodes, holes, ACLs and extended attributes are kept as far as this
/// process may set them. Plain, or compressed by gzip, bzip2, xz, lzma or zstd. The first `size`
/// bytes of the file count. Corrupt: no archive, damaged, or cut off; NoSpace; Unsupported: a
/// compressed stream with something else in it.
[[nodiscard]] Result<Unpacked> unpack_here(sys::BorrowedFd archive, std::uint64_t size,
                                           const UnpackOptions& options = {});

} // namespace slipway::archive
