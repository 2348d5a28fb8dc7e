// SPDX-License-Identifier: Apache-2.0
// Which operating system stands in a root.
#pragma once

#include <string>

#include "guest/files.hpp"
#include "report/inventory.hpp"
#include "sys/root_dir.hpp"

namespace slipway::guest {

/// "freebsd", "netbsd" or "openbsd" by marks of their own; "linux" where there is /etc/os-release,
/// /etc/fstab or a release file, and /usr or /bin; "windows" where there is
/// /Windows/System32/config in any case of letters; else "". A /boot, /usr or /home filesystem is
/// none.
[[nodiscard]] std::string detect_system_type(const sys::RootDir& root);
/// Everything about the system. Runs nothing: the architecture is that of an ELF header.
/// `inventory` has the disks and volumes. Findings: init-missing, and those of read_windows.
[[nodiscard]] report::OperatingSystem detect_system(const GuestFiles& files,
                                                    const report::Inventory& inventory);

} // namespace slipway::guest
