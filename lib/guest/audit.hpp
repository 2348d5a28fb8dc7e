// SPDX-License-Identifier: Apache-2.0
// What of a guest's configuration will not survive the move, or is wrong already. Pure: by the
// record alone.
#pragma once

#include "report/inventory.hpp"

namespace slipway::guest {

/// The remedy of every finding that a repair corrects.
inline constexpr const char* repair_remedy = "slipway migrate and slipway fix correct it";

/// fstab-unstable-name, fstab-unresolved, fstab-malformed, fstab-hypervisor-share.
void audit_fstab(report::Inventory& inventory);
/// crypttab-unstable-name.
void audit_crypttab(report::Inventory& inventory);
/// kernel-root-unstable, kernel-root-unresolved, kernel-resume-unstable, kernel-resume-unresolved,
/// resume-unstable: one finding for each file and value.
void audit_boot_arguments(report::Inventory& inventory);
/// device-map-stale, lvm-devices-file, lvm-cache, blkid-cache.
void audit_stale_files(report::Inventory& inventory);
/// duplicate-uuid, lvm-present, luks-present, md-present, …, journal-dirty, hibernated.
void audit_volumes(report::Inventory& inventory);
/// Adds a finding unless one with its id and place is there.
void add_finding(report::Inventory& inventory, report::Finding finding);

} // namespace slipway::guest
