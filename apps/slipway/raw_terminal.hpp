// SPDX-License-Identifier: Apache-2.0
// The user's terminal while a program elsewhere has it.
#pragma once

#include <optional>
#include <utility>

#include <termios.h>

#include "sys/fd.hpp"

namespace slipway::app {

/// Raw mode for as long as this lives; nothing where it is no terminal.
class RawTerminal {
public:
    explicit RawTerminal(sys::BorrowedFd terminal);
    RawTerminal(const RawTerminal&) = delete;
    RawTerminal& operator=(const RawTerminal&) = delete;
    ~RawTerminal();

private:
    int fd_;
    termios before_{};
    bool changed_ = false;
};

/// Rows and columns.
[[nodiscard]] std::optional<std::pair<unsigned, unsigned>> window_size_of(sys::BorrowedFd terminal);

} // namespace slipway::app
