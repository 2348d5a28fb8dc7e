// SPDX-License-Identifier: Apache-2.0
// What poll(2) said.
#pragma once

#include <algorithm>
#include <vector>

#include <poll.h>

namespace slipway::boot {

/// Whether something can be read there, or its end was met.
[[nodiscard]] inline bool is_ready(const std::vector<pollfd>& polls, int fd) {
    return std::any_of(polls.begin(), polls.end(),
                       [fd](const pollfd& each) { return each.fd == fd && each.revents != 0; });
}

} // namespace slipway::boot
