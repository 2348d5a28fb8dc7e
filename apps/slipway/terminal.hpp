// SPDX-License-Identifier: Apache-2.0
// Where the program writes: results on one descriptor, everything else on another, and a progress
// line that gets out of the way.
#pragma once

#include <string>
#include <string_view>

#include "base/units.hpp"
#include "sys/fd.hpp"
#include "sys/host.hpp"

namespace slipway::app {

class Terminal {
public:
    Terminal(sys::BorrowedFd in, sys::BorrowedFd out, sys::BorrowedFd err);

    [[nodiscard]] sys::BorrowedFd in() const { return in_; }
    /// For results that are no text for a terminal.
    [[nodiscard]] sys::BorrowedFd out_fd() const { return out_; }
    [[nodiscard]] bool in_is_terminal() const;
    [[nodiscard]] bool out_is_terminal() const;
    /// Results, on standard output. A reader that has gone is an error of code Protocol.
    [[nodiscard]] Status out(std::string_view text);
    /// A line for the person at the terminal, on standard error.
    void say(std::string_view line);
    /// A bar with rate and time left on a terminal; elsewhere a line every ten seconds.
    void progress(const sys::Progress& progress);
    void clear_progress();

private:
    sys::BorrowedFd in_;
    sys::BorrowedFd out_;
    sys::BorrowedFd err_;
    bool err_is_terminal_;
    bool bar_shown_ = false;
    std::string step_;
    Clock::time_point step_started_{};
    Clock::time_point last_shown_{};
};

} // namespace slipway::app
