// SPDX-License-Identifier: Apache-2.0
// What a system has changed, and what became of that; pure.
#pragma once

#include <string>
#include <vector>

#include "base/error.hpp"

namespace slipway::boot {

struct Change {
    std::string what; ///< "the swap /dev/vda2", "kernel.panic 0 -> 10"
    bool undone = false;
    std::string why{}; ///< it could not be
};
[[nodiscard]] Change change_of(std::string what, const Status& undone);

/// Lines for people, "" where nothing is left to tell.
[[nodiscard]] std::string render_changes(const std::vector<Change>& changes);

} // namespace slipway::boot
