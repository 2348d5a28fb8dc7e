// SPDX-License-Identifier: Apache-2.0
// What a host's udev is told about the MD arrays and ZFS volumes of an image.
#pragma once

#include "sys/host.hpp"

namespace slipway::storage {

/// Numbers of MD devices that are Slipway's; mdadm and people take those below 512.
inline constexpr unsigned first_md = 511900, md_count = 100;

/// udev honours no lock of an MD device, nor of a block device in a ZFS pool: it would give a
/// guest's filesystem a name in /dev/disk/by-uuid, before the host's own, and activate a guest's
/// LVM group. So a rule in /run/udev/rules.d leaves arrays of those numbers and pools of our names
/// alone. It stays there. Nothing is done where no udev runs.
[[nodiscard]] Status keep_udev_off(const sys::Host& host);

} // namespace slipway::storage
