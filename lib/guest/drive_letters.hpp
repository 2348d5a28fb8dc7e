// SPDX-License-Identifier: Apache-2.0
// Which volume is C: of a Windows guest.
#pragma once

#include <vector>

#include "guest/registry.hpp"
#include "report/inventory.hpp"

namespace slipway::guest {

/// The values of HKLM\SYSTEM\MountedDevices that name a letter and a volume of the image, by
/// letter. Pure. What stands on another disk, or on none (CD-ROM), is left out.
[[nodiscard]] std::vector<report::DriveMapping>
map_drives(const std::vector<RegistryValue>& mounted_devices, const report::Inventory& inventory);

} // namespace slipway::guest
