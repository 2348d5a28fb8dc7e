// SPDX-License-Identifier: Apache-2.0
// Whether a volume needs the kernel's raid6 code, which a sandbox starts without.
#pragma once

#include <string_view>

#include "sys/fd.hpp"

namespace slipway::image {

/// Looks at the superblock of a btrfs filesystem or of an MD member (version 1.x; the older one
/// counts as needing it). `type` is libblkid's. False where it cannot be read.
[[nodiscard]] bool needs_raid6(sys::BorrowedFd volume, std::string_view type);

} // namespace slipway::image
