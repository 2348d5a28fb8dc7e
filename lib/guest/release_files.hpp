// SPDX-License-Identifier: Apache-2.0
// How Linux systems without os-release name themselves: the older ones, and the very small.
#pragma once

#include "guest/files.hpp"
#include "report/inventory.hpp"
#include "sys/root_dir.hpp"

namespace slipway::guest {

/// Whether one of the files is there by which such a system can be told; links may dangle.
[[nodiscard]] bool has_release_file(const sys::RootDir& root);
/// Fills distro, like, product, version and codename.
void take_release_file(const GuestFiles& files, report::OperatingSystem& os);

} // namespace slipway::guest
