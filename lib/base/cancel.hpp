// SPDX-License-Identifier: Apache-2.0
// A request to stop, checked between steps and wherever something waits.
#pragma once

#include <atomic>
#include <memory>

#include "base/error.hpp"

namespace slipway {

/// Copyable handle on one flag. `request` is safe in a signal handler.
class Cancel {
  public:
    void request() const { flag_->store(true, std::memory_order_relaxed); }
    [[nodiscard]] bool requested() const { return flag_->load(std::memory_order_relaxed); }
    /// Cancelled when a stop was requested.
    [[nodiscard]] Status check() const {
        if (requested())
            return fail(Code::Cancelled, "stopped on request");
        return {};
    }

  private:
    std::shared_ptr<std::atomic<bool>> flag_ = std::make_shared<std::atomic<bool>>(false);
};

} // namespace slipway
