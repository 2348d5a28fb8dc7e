// SPDX-License-Identifier: Apache-2.0
// ZFS pools that the kernel has open under a name of ours. Private to the module.
#pragma once

#include <string>
#include <vector>

#include "base/error.hpp"

namespace slipway::storage {

[[nodiscard]] bool has_pool(const std::string& name);
/// Of this and other processes, dead or alive.
[[nodiscard]] std::vector<std::string> pools_of_ours();
[[nodiscard]] std::vector<std::string> nodes_of_pool(const std::string& name);
/// Unmounts nothing by force. No error if there is none. Makes /dev/zfs.
[[nodiscard]] Status export_pool(const std::string& name);

} // namespace slipway::storage
