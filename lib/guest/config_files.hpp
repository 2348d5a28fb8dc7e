// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <string>

#include "guest/files.hpp"
#include "report/inventory.hpp"

namespace slipway::guest {

/// The small configuration files that decide how the guest boots, by path: the input of repairs.
/// At most 256 KiB each (1 MiB for a grub.cfg), 256 files of a directory, 16 MiB in all (finding
/// "config-files-too-large").
[[nodiscard]] std::map<std::string, std::string>
read_config_files(const GuestFiles& files, const report::BootLoader& loader);

} // namespace slipway::guest
