// SPDX-License-Identifier: Apache-2.0
#include "terminal.hpp"

#include <unistd.h>

#include <fmt/format.h>

#include "base/strings.hpp"

namespace slipway::app {
namespace {

constexpr int bar_width = 24;
constexpr auto terminal_interval = std::chrono::milliseconds(100);
constexpr auto line_interval = std::chrono::seconds(10);

std::string bar_of(const sys::Progress& progress, double elapsed) {
    if (progress.total == 0)
        return elapsed < 1 ? progress.step : fmt::format("{} ({:.0f} s)", progress.step, elapsed);
    auto fraction =
        std::min(1.0, static_cast<double>(progress.done) / static_cast<double>(progress.total));
    auto filled = static_cast<std::size_t>(fraction * bar_width);
    auto text = fmt::format("{} [{:#<{}}{:.<{}}] {:3.0f} %", progress.step, "", filled, "",
                            bar_width - filled, fraction * 100);
    if (progress.bytes && elapsed > 0)
        text += fmt::format(
            "  {} of {}, {}/s", format_size(progress.done), format_size(progress.total),
            format_size(static_cast<std::uint64_t>(static_cast<double>(progress.done) / elapsed)));
    if (fraction > 0.02 && fraction < 1)
        text += fmt::format("  {} left", format_seconds(elapsed / fraction - elapsed));
    return text;
}

} // namespace

Terminal::Terminal(sys::BorrowedFd in, sys::BorrowedFd out, sys::BorrowedFd err)
    : in_(in), out_(out), err_(err), err_is_terminal_(::isatty(err.raw()) == 1) {}

bool Terminal::in_is_terminal() const {
    return ::isatty(in_.raw()) == 1;
}

bool Terminal::out_is_terminal() const {
    return ::isatty(out_.raw()) == 1;
}

Status Terminal::out(std::string_view text) {
    clear_progress();
    auto written = sys::write_all(out_, text);
    if (!written && written.error().errno_value != EPIPE) {
        written.error().what = "writing to standard output";
        written.error().hint = "see where standard output leads";
        if (written.error().errno_value == EBADF)
            written.error().code = Code::InvalidArgument;
    }
    return written;
}

void Terminal::say(std::string_view line) {
    clear_progress();
    [[maybe_unused]] auto written = sys::write_all(err_, std::string(line) + "\n");
}

void Terminal::progress(const sys::Progress& progress) {
    auto now = Clock::now();
    if (progress.step != step_) {
        step_ = progress.step;
        step_started_ = now;
        last_shown_ = {};
    }
    if (now - last_shown_ <
        (err_is_terminal_ ? Clock::duration(terminal_interval) : Clock::duration(line_interval)))
        return;
    bool first_line = last_shown_ == Clock::time_point{};
    last_shown_ = now;
    auto text = printable(bar_of(progress, seconds_since(step_started_)));
    if (err_is_terminal_) {
        [[maybe_unused]] auto written =
            sys::write_all(err_, fmt::format("\r\x1b[K{}", text.substr(0, 160)));
        bar_shown_ = true;
    } else if (!first_line) [[maybe_unused]]
        auto written = sys::write_all(err_, text + "\n");
}

void Terminal::clear_progress() {
    if (!bar_shown_)
        return;
    bar_shown_ = false;
    [[maybe_unused]] auto written = sys::write_all(err_, "\r\x1b[K");
}

} // namespace slipway::app
