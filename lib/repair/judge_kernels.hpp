// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>

#include "report/inventory.hpp"

namespace slipway::repair {

/// The kernel that boots unless somebody chooses another: GRUB's saved entry where GRUB_DEFAULT
/// asks for it, else the newest that is no rescue kernel. Null without kernels.
[[nodiscard]] const report::Kernel* default_kernel(const report::Inventory& inventory);
/// What keeps an examined kernel from finding a disk on virtio; nothing if it can, or if it was not
/// examined.
[[nodiscard]] std::optional<report::Finding> judge_kernel(const report::Inventory& inventory,
                                                          const report::Kernel& kernel);

} // namespace slipway::repair
