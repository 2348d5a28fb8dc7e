// SPDX-License-Identifier: Apache-2.0
// What a path names: a disk image, or one of the things that open like one.
#pragma once

#include <string>
#include <string_view>

#include "base/error.hpp"
#include "sys/fd.hpp"

namespace slipway::image {

enum class Kind {
    Disk,      ///< an image in some format, or a block device
    Archive,   ///< a tar archive, or a compressed stream that may hold one
    Directory, ///< a directory of this machine
    Scratch,   ///< no image: an empty disk that a worker may use as it likes
};

/// "disk", "archive", "directory", "scratch".
[[nodiscard]] std::string_view name_of(Kind kind);
/// A name that nobody knows is a Protocol error.
[[nodiscard]] Result<Kind> parse_kind(std::string_view name);

/// Directory; Archive for a regular file that begins as a tar archive does, or as what gzip, bzip2,
/// xz and zstd make: what is in a compressed stream is not looked at. Disk for any other regular
/// file, and for a block device. InvalidArgument for everything else, and for an empty file. `path`
/// is for messages.
[[nodiscard]] Result<Kind> kind_of_file(sys::BorrowedFd file, const std::string& path);
[[nodiscard]] bool is_block_device(sys::BorrowedFd file);
/// What to say where only a disk image will do.
[[nodiscard]] Status refuse_kind(Kind kind, const std::string& path);

} // namespace slipway::image
