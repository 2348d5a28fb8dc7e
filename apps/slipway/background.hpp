// SPDX-License-Identifier: Apache-2.0
// A verb that goes on in the background once it is ready.
#pragma once

#include <optional>

#include "base/cancel.hpp"
#include "terminal.hpp"

namespace slipway::app {

/// The half of the program that goes on.
class Background {
public:
    Background(sys::OwnedFd caller, sys::OwnedFd messages)
        : caller_(std::move(caller)), messages_(std::move(messages)) {}
    /// What it says until it is ready goes to the caller's standard error. Its children have no
    /// output: who reads the caller's would wait for their end.
    [[nodiscard]] Status leave_output(Terminal& terminal);
    /// Lets the caller go, and leaves its terminal. An error where the caller has gone.
    [[nodiscard]] Status ready(Terminal& terminal);

private:
    sys::OwnedFd caller_;
    sys::OwnedFd messages_;
};

struct Parted {
    std::optional<Background> goes_on{};
    int exit_code = 0;
};
/// Parts the program in two, before it has threads or children. In the one that goes on there is a
/// Background. The other waits until that one is ready or has ended, and passes a request to stop
/// on to it; there is the exit code for the caller.
[[nodiscard]] Result<Parted> part(const Cancel& cancel);

} // namespace slipway::app
