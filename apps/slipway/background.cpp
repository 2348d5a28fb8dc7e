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
    if (child == 0)
        return Parted{.goes_on = Background(std::move(writes))};
    writes = {};
    return Parted{.exit_code = wait_for_byte(reads, cancel, child) ? 0 : status_of(child)};
}

Status Background::ready() {
    SLIPWAY_TRY(auto nothing, sys::open_file("/dev/null", O_RDWR));
    // A reader of what the program says would wait for its end.
    for (int stream : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO})
        ::dup2(nothing.raw(), stream);
    ::setsid();
    return sys::write_all(caller_, "+");
}

} // namespace slipway::app
