// SPDX-License-Identifier: Apache-2.0
// For loops of many small steps.
#pragma once

#include <cstddef>
#include <new>

#include "base/cancel.hpp"
#include "sys/memory_limit.hpp"

namespace slipway::sys {

/// Looks now and then whether to go on: each look may cost a system call.
class LongLoop {
public:
    explicit LongLoop(Cancel cancel) : cancel_(std::move(cancel)) {}
    /// Cancelled at one of the next steps after a stop was requested; std::bad_alloc when memory is
    /// short, here, where no destructor is in the way.
    [[nodiscard]] Status step() {
        constexpr std::size_t steps_per_look = 256;
        if (steps_++ % steps_per_look != 0)
            return {};
        if (own_memory_is_short())
            throw std::bad_alloc();
        return cancel_.check();
    }

private:
    Cancel cancel_;
    std::size_t steps_ = 0;
};

} // namespace slipway::sys
