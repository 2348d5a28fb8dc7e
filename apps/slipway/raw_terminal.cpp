// SPDX-License-Identifier: Apache-2.0
#include "raw_terminal.hpp"

#include <sys/ioctl.h>

namespace slipway::app {

RawTerminal::RawTerminal(sys::BorrowedFd terminal) : fd_(terminal.raw()) {
    if (::tcgetattr(fd_, &before_) != 0)
        return;
    auto raw = before_;
    ::cfmakeraw(&raw);
    changed_ = ::tcsetattr(fd_, TCSADRAIN, &raw) == 0;
}

RawTerminal::~RawTerminal() {
    if (changed_)
        ::tcsetattr(fd_, TCSADRAIN, &before_);
}

std::optional<std::pair<unsigned, unsigned>> window_size_of(sys::BorrowedFd terminal) {
    struct winsize size {};
    if (::ioctl(terminal.raw(), TIOCGWINSZ, &size) != 0)
        return std::nullopt;
    return std::pair<unsigned, unsigned>(size.ws_row, size.ws_col);
}

} // namespace slipway::app
