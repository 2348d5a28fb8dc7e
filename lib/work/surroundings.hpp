// SPDX-License-Identifier: Apache-2.0
// Where a worker works: a mount namespace, a /dev and a directory of its own.
#pragma once

#include <string>

#include <sys/types.h>

#include "base/error.hpp"

namespace slipway::work {

/// Makes a mount namespace with a /dev that shows no disk of the host, and a private tmpfs with the
/// directories "root" and "scratch", whose path it returns. Needs root.
[[nodiscard]] Result<std::string> make_surroundings();
/// /dev/NAME for a block device, unless it is there.
[[nodiscard]] Result<std::string> make_disk_node(const std::string& name, dev_t device);

} // namespace slipway::work
