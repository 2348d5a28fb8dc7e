// SPDX-License-Identifier: Apache-2.0
// Devices by their names in /dev, which an image's system shares and may fill with anything.
#pragma once

#include <string>

#include "base/error.hpp"
#include "sys/fd.hpp"

namespace slipway::boot {

enum class DeviceMajor : unsigned { Terminal = 4, Screen = 7, Input = 13, FrameBuffer = 29 };

/// Opens a character device of that kind, and nothing else: a pipe would be waited for. NotFound:
/// there is none; Unsupported: it is something else.
[[nodiscard]] Result<sys::OwnedFd> open_device(const std::string& path, DeviceMajor kind,
                                               int flags);

} // namespace slipway::boot
