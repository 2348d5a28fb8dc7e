// SPDX-License-Identifier: Apache-2.0
// The repairs, one per file of the same name.
#pragma once

#include "repair/repair.hpp"

namespace slipway::repair {

[[nodiscard]] Repair fstab_repair();
[[nodiscard]] Repair crypttab_repair();
[[nodiscard]] Repair mdadm_config_repair();
[[nodiscard]] Repair kernel_arguments_repair();
[[nodiscard]] Repair stale_files_repair();
[[nodiscard]] Repair initramfs_repair();
[[nodiscard]] Repair grub_config_repair();

} // namespace slipway::repair
