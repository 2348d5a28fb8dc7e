// SPDX-License-Identifier: Apache-2.0
// A directory as the image of a file system, for a kernel that cannot be shown directories.
#pragma once

#include "appliance/tested_kernel.hpp"
#include "image/source.hpp"
#include "sys/host.hpp"

namespace slipway::ops {

/// A file without a name that goes with its descriptor, and how a machine opens it.
struct TreeImage {
    sys::OwnedFd file;
    image::BlockGraph graph;
};

/// Makes an image of all below the directory, owners and modes as the host's runner sees them, in a
/// file system that the kernel has: erofs, squashfs or ext4. `number` is the image's descriptor in
/// the machine's process. Unsupported: the kernel has none of them, or their tool is not installed.
[[nodiscard]] Result<TreeImage> make_tree_image(const sys::Host& host,
                                                const appliance::TestedKernel& kernel,
                                                sys::BorrowedFd directory, int number);

} // namespace slipway::ops
