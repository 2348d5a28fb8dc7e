// SPDX-License-Identifier: Apache-2.0
// An empty disk for a worker's own use.
#pragma once

#include <string>

#include "image/attach.hpp"
#include "sys/fd.hpp"

namespace slipway::image {

// NOLINTNEXTLINE(bugprone-exception-escape): the moves of its Json throw nothing but assertions
struct ScratchDisk {
    sys::OwnedFd file; ///< without a name
    DiskSpec spec;     ///< borrows it
};

/// As large as the free space of the directory allows, but takes none of it yet. `number` is that
/// of the file in children. NoSpace where too little is free for anything.
[[nodiscard]] Result<ScratchDisk> make_scratch_disk(const std::string& directory, int number);

} // namespace slipway::image
