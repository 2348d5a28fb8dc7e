// SPDX-License-Identifier: Apache-2.0
// What a worker that was killed leaves open in the kernel. Needs root; nothing is done without.
#pragma once

#include <string>
#include <vector>

namespace slipway::storage {

/// Removes mapped devices, stops arrays and closes ZFS pools that stand on disks of workers that
/// have gone, from the top down, whoever made them: a host's udev may have been faster. Loop
/// devices clear themselves then; network block devices are disconnected. Waits a few seconds for
/// what is busy. Returns the kernel's names of what it closed. The kernel itself is the journal:
/// these disks have our mark, and a lock while their worker lives.
std::vector<std::string> close_leftovers();

} // namespace slipway::storage
