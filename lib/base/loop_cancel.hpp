// SPDX-License-Identifier: Apache-2.0
// Cancel, for loops of many small steps.
#pragma once

#include <cstddef>

#include "base/cancel.hpp"

namespace slipway {

/// Looks at a Cancel now and then: each look may cost a system call.
class LoopCancel {
public:
    explicit LoopCancel(Cancel cancel) : cancel_(std::move(cancel)) {}
    /// Cancelled at one of the next steps after a stop was requested.
    [[nodiscard]] Status step() {
        constexpr std::size_t steps_per_look = 256;
        return steps_++ % steps_per_look == 0 ? cancel_.check() : Status{};
    }

private:
    Cancel cancel_;
    std::size_t steps_ = 0;
};

} // namespace slipway
