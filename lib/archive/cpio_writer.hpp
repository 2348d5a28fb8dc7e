// SPDX-License-Identifier: Apache-2.0
// Makes initramfs segments.
#pragma once

#include <set>
#include <string>
#include <string_view>
#include <vector>

#include <sys/types.h>

#include "base/error.hpp"

namespace slipway::archive {

/// A directory, regular file or symbolic link, owned by root, of time 0.
struct CpioEntry {
    std::string path;      ///< without first slash
    mode_t mode = 0;       ///< type and permissions
    std::string content{}; ///< of a file, or the target of a link
};

/// Entries in an order in which they can be unpacked: directories before what is in them.
class CpioTree {
public:
    /// With the directories that lead to it, of mode 0755. `path` is absolute.
    void add(std::string_view path, mode_t mode, std::string content);
    /// Of mode 0755, unless it is there.
    void add_directory(std::string_view path);
    [[nodiscard]] const std::vector<CpioEntry>& entries() const { return entries_; }

private:
    std::vector<CpioEntry> entries_;
    std::set<std::string, std::less<>> directories_;
};

/// A newc archive with its trailer, a multiple of 4 bytes; the same entries give the same bytes.
/// InvalidArgument for other kinds of entries.
[[nodiscard]] Result<std::string> write_cpio(const std::vector<CpioEntry>& entries);

/// The stream of `lz4 -l`, the only lz4 format that the kernel reads.
[[nodiscard]] Result<std::string> pack_lz4_legacy(std::string_view data);

} // namespace slipway::archive
