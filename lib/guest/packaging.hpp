// SPDX-License-Identifier: Apache-2.0
// What a Linux system is installed with.
#pragma once

#include "guest/files.hpp"
#include "report/inventory.hpp"

namespace slipway::guest {

/// Fills `package_manager` and `package_format` of a system whose distribution is known.
void take_packaging(const GuestFiles& files, report::OperatingSystem& os);

} // namespace slipway::guest
