// SPDX-License-Identifier: Apache-2.0
// What a kernel remembers of filesystems that it does not have any more.
#pragma once

#include "mount/volumes.hpp"

namespace slipway::mount {

/// The kernel keeps a list of all devices of btrfs that were ever mounted; the next image with the
/// same filesystem UUID would meet those of the last. To be called when all is unmounted, while the
/// nodes are there. Does what it can.
void forget_btrfs_devices(const Volumes& volumes);

} // namespace slipway::mount
