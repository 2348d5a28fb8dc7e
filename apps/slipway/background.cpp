// SPDX-License-Identifier: Apache-2.0
#include "background.hpp"

#include <array>
#include <csignal>

#include <fcntl.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

namespace slipway::app {
namespace {

constexpr int tick = 50; // ms between two looks at a wish to stop

// Its first byte, or false at the end.
bool wait_for_byte(sys::BorrowedFd pipe, const Cancel& cancel, pid_t child) {
    bool told = false;
    while (true) {
        pollfd poller{.fd = pipe.raw(), .events = POLLIN, .revents = 0};
        if (::poll(&poller, 1, tick) > 0) {
            char byte = 0;
            return ::read(pipe.raw(), &byte, 1) == 1;
        }
        if (cancel.requested() && !told) {
            told = true;
            ::kill(child, SIGTERM);
        }
    }
}

int status_of(pid_t child) {
    int status = 0;
    while (::waitpid(child, &status, 0) < 0 && errno == EINTR)
        continue;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

} // namespace

Result<Parted> part(const Cancel& cancel) {
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_CLOEXEC) != 0)
        return fail_errno("going to the background");
    sys::OwnedFd reads(ends[0]);
    sys::OwnedFd writes(ends[1]);
    auto child = ::fork();
    if (child < 0)
        return fail_errno("going to the background");
    if (child == 0) {
        sys::OwnedFd messages(::fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, STDERR_FILENO + 1));
        return Parted{.goes_on = Background(std::move(writes), std::move(messages))};
    }
    writes = {};
    return Parted{.exit_code = wait_for_byte(reads, cancel, child) ? 0 : status_of(child)};
}

Status Background::leave_output(Terminal& terminal) {
    SLIPWAY_TRY(auto nothing, sys::open_file("/dev/null", O_RDWR));
    ::dup2(nothing.raw(), STDOUT_FILENO);
    ::dup2(nothing.raw(), STDERR_FILENO);
    terminal = Terminal(sys::BorrowedFd(STDIN_FILENO), sys::BorrowedFd(STDOUT_FILENO), messages_);
    return {};
}

Status Background::ready(Terminal& terminal) {
    ::dup2(STDOUT_FILENO, STDIN_FILENO);
    terminal = Terminal(sys::BorrowedFd(STDIN_FILENO), sys::BorrowedFd(STDOUT_FILENO),
                        sys::BorrowedFd(STDERR_FILENO));
    messages_ = {};
    ::setsid();
    return sys::write_all(caller_, "+");
}

} // namespace slipway::app
