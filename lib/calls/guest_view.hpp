// SPDX-License-Identifier: Apache-2.0
// The devices of the machine as other modules want them. Private to the module.
#pragma once

#include <string>

#include "calls/machine.hpp"
#include "mount/volumes.hpp"

namespace slipway::calls {

/// Everything that may hold a filesystem, as it is now. The name of a volume is that of its device
/// without "/dev/": "sda1", "vg/lv".
[[nodiscard]] mount::Volumes volumes_of(const Machine& machine);
/// A disk with its table as it is now.
[[nodiscard]] report::Disk record_of(const image::AttachedDisk& disk);
/// "/dev/sda1" for "sda1", "btrfsvol:/dev/sda1/@" for "btrfs:sda1/@".
[[nodiscard]] std::string api_name(const std::string& volume_name);
/// For the guest's commands: its root, and the devices that they shall see.
[[nodiscard]] enter::RootSpec root_spec_of(const Machine& machine);

} // namespace slipway::calls
