// SPDX-License-Identifier: Apache-2.0
// FreeBSD, NetBSD and OpenBSD: which one, and its version.
#pragma once

#include <string>

#include "guest/files.hpp"
#include "report/inventory.hpp"
#include "sys/root_dir.hpp"

namespace slipway::guest {

/// "freebsd", "netbsd", "openbsd", or "".
[[nodiscard]] std::string detect_bsd(const sys::RootDir& root);
/// Distribution, product, version, host name and packages of a system of this type.
void take_bsd(const GuestFiles& files, report::OperatingSystem& os);

} // namespace slipway::guest
