// SPDX-License-Identifier: Apache-2.0
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <exception>

#include <fcntl.h>

#include "invocation.hpp"

namespace {

// Read by the signal handler; set once before it is installed.
const slipway::Cancel* stop_request = nullptr;

volatile std::sig_atomic_t stop_signal = 0;

void on_stop_signal(int number) {
    stop_signal = number;
    stop_request->request();
}

void catch_stop_signals(const slipway::Cancel& cancel) {
    stop_request = &cancel;
    struct sigaction action {};
    action.sa_handler = on_stop_signal;
    for (int number : {SIGINT, SIGTERM, SIGHUP})
        ::sigaction(number, &action, nullptr);
    (void)::signal(SIGPIPE, SIG_IGN);
}

// Else the first sockets and files that are opened would be taken for them. /dev/null answers with
// an error where it was not opened for the use that somebody makes of it.
void fill_standard_streams() {
    for (int stream : {0, 1, 2})
        if (::fcntl(stream, F_GETFD) < 0 && errno == EBADF &&
            ::open("/dev/null", stream == 1 ? O_RDONLY : O_RDWR) != stream)
            std::abort();
}

} // namespace

int main(int argc, char** argv) {
    fill_standard_streams();
    // Never destroyed: a signal may come at the very end.
    const auto& cancel = *new slipway::Cancel;
    catch_stop_signals(cancel);
    slipway::app::Terminal terminal(slipway::sys::BorrowedFd(0), slipway::sys::BorrowedFd(1),
                                    slipway::sys::BorrowedFd(2));
    try {
        constexpr int cancelled = 130; // 128 + SIGINT
        int status = slipway::app::run_program({argv, argv + argc}, terminal, cancel);
        return status == cancelled && stop_signal != 0 ? 128 + stop_signal : status;
    } catch (const std::exception& error) {
        (void)std::fprintf(stderr, "slipway: a bug of Slipway: %s\n", error.what());
        return 5;
    }
}
