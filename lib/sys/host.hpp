// SPDX-License-Identifier: Apache-2.0
// What a use case needs of the world, passed in, so that whole commands run in tests in-process.
#pragma once

#include <functional>
#include <string>

#include "base/cancel.hpp"
#include "base/log.hpp"
#include "sys/process.hpp"

namespace slipway::sys {

/// A step of a long operation. `total` 0: not known.
struct Progress {
    std::string step;
    std::uint64_t done = 0;
    std::uint64_t total =
        0; ///< in the same unit as done: bytes, or per mille where bytes are unknown
    bool bytes = true;
};

struct Host {
    Runner* runner = nullptr; ///< borrowed
    Log log{};
    Cancel cancel{};
    std::function<void(const Progress&)> progress{}; ///< may be empty
};

} // namespace slipway::sys
