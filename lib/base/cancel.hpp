// SPDX-License-Identifier: Apache-2.0
// A request to stop, checked between steps and wherever something waits.
#pragma once

#include <atomic>
#include <functional>
#include <memory>

#include "base/error.hpp"

namespace slipway {

/// Copyable handle on one flag. `request` is safe in a signal handler.
class Cancel {
public:
    Cancel() = default;
    /// `ask` is called at each look until it says true: for requests that arrive in band.
    explicit Cancel(std::function<bool()> ask) : state_(std::make_shared<State>(std::move(ask))) {}

    void request() const { state_->flag.store(true, std::memory_order_relaxed); }
    [[nodiscard]] bool requested() const {
        if (!state_->flag.load(std::memory_order_relaxed) && state_->ask && state_->ask())
            request();
        return state_->flag.load(std::memory_order_relaxed);
    }
    /// Cancelled when a stop was requested.
    [[nodiscard]] Status check() const {
        if (requested())
            return fail(Code::Cancelled, "stopped on request");
        return {};
    }

private:
    struct State {
        State() = default;
        explicit State(std::function<bool()> question) : ask(std::move(question)) {}
        std::atomic<bool> flag{false};
        std::function<bool()> ask;
    };
    std::shared_ptr<State> state_ = std::make_shared<State>();
};

} // namespace slipway
