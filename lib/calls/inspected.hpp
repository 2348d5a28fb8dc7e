// SPDX-License-Identifier: Apache-2.0
// What inspect_os found, in the words of the API.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "guest/files.hpp"
#include "report/inventory.hpp"

namespace slipway::calls {

struct Inspected {
    std::string root; ///< "/dev/sda1", "btrfsvol:/dev/sda2/@"
    report::OperatingSystem os;
    // "unknown" where it is not known.
    std::string distro;
    std::string product;
    std::string osinfo;
    std::string package_format;
    std::string package_management;
    std::uint64_t major_version = 0, minor_version = 0;
    std::vector<std::pair<std::string, std::string>> mountpoints; ///< guest path, device
    std::vector<std::string> filesystems;
    std::string software_hive, system_hive; ///< guest paths, or ""
};

/// From what Slipway knows of a system whose root is mounted.
[[nodiscard]] Inspected describe_system(const report::Inventory& inventory,
                                        const guest::GuestFiles& files);

/// For libosinfo: "debian12", "win10", or "unknown".
[[nodiscard]] std::string osinfo_of(const Inspected& system);

} // namespace slipway::calls
