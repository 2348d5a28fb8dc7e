// SPDX-License-Identifier: Apache-2.0
// What a guest's /etc/fstab says about its devices. Pure: by the inventory alone.
#pragma once

#include <string_view>
#include <vector>

#include "mount/resolve.hpp"
#include "report/inventory.hpp"

namespace slipway::guest {

/// Lines of /etc/fstab (from `Inventory::files`) with the volume that each names; at most 1000.
[[nodiscard]] std::vector<report::FstabEntry> read_fstab(const report::Inventory& inventory);
/// How the line of / in `Inventory::fstab` names its device; "" without one.
[[nodiscard]] std::string_view root_spec(const report::Inventory& inventory);
/// How this guest names its disks, by `Inventory::fstab`. Borrows the inventory's volumes.
[[nodiscard]] mount::GuestDevices devices_of(const report::Inventory& inventory);

/// A folder of the old hypervisor (VMware, VirtualBox), which the new one does not serve.
[[nodiscard]] bool is_hypervisor_share(std::string_view spec, std::string_view type);
/// What it means for the boot when the device of a line is not there.
[[nodiscard]] report::Severity severity_if_missing(std::string_view type, std::string_view options);

} // namespace slipway::guest
