// SPDX-License-Identifier: Apache-2.0
#include "guest_signals.hpp"

#include <array>
#include <csignal>

namespace slipway::app {
namespace {

constexpr std::array passed_signals{SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2};
std::array<volatile std::sig_atomic_t, NSIG> pending{};
volatile std::sig_atomic_t window_changed = 0;

void note_signal(int number) {
    if (number == SIGWINCH)
        window_changed = 1;
    else
        pending.at(static_cast<std::size_t>(number)) = 1;
}

} // namespace

void pass_signals_on() {
    struct sigaction action {};
    action.sa_handler = note_signal;
    for (int number : passed_signals)
        ::sigaction(number, &action, nullptr);
    ::sigaction(SIGWINCH, &action, nullptr);
}

int take_signal() {
    for (int number : passed_signals)
        if (auto& noted = pending.at(static_cast<std::size_t>(number)); noted != 0) {
            noted = 0;
            return number;
        }
    return 0;
}

bool take_window_change() {
    bool changed = window_changed != 0;
    window_changed = 0;
    return changed;
}

} // namespace slipway::app
