// SPDX-License-Identifier: Apache-2.0
// Makes initramfs segments.
#pragma once

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

/// A newc archive with its trailer, a multiple of 4 bytes; the same entries give the same bytes.
/// InvalidArgument for other kinds of entries.
[[nodiscard]] Result<std::string> write_cpio(const std::vector<CpioEntry>& entries);

/// The stream of `lz4 -l`, the only lz4 format that the kernel reads.
[[nodiscard]] Result<std::string> pack_lz4_legacy(std::string_view data);

} // namespace slipway::archive
