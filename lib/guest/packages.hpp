// SPDX-License-Identifier: Apache-2.0
// What is installed, read from the package databases of the guest without its programs.
#pragma once

#include <string_view>

#include "guest/files.hpp"
#include "report/packages.hpp"

namespace slipway::guest {

/// `format` of the distribution (OperatingSystem::package_format) says which database counts where
/// there are several: Debian can install rpm, and Fedora dpkg. Sorted by name. Findings:
/// packages-unreadable, packages-incomplete.
[[nodiscard]] report::PackageList read_packages(const GuestFiles& files, std::string_view format);

} // namespace slipway::guest
