// SPDX-License-Identifier: Apache-2.0
#include "boot/consoles.hpp"

#include <algorithm>
#include <array>

#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <fmt/format.h>

#include "base/strings.hpp"

namespace slipway::boot {
namespace {

constexpr char interrupt = 3;         // Ctrl-C
constexpr int longest_write_ms = 200; // to a line that does not take more: a hung one is left alone

} // namespace

Consoles::~Consoles() {
    for (auto& terminal : terminals_)
        ::tcsetattr(terminal.fd.raw(), TCSANOW, &terminal.before);
}

std::vector<Error> Consoles::open(const std::vector<std::string>& names) {
    std::vector<Error> errors;
    for (const auto& name : names) {
        // Not as our controlling terminal: Ctrl-C is a key here.
        auto opened = sys::open_file("/dev/" + name, O_RDWR | O_NOCTTY | O_NONBLOCK);
        if (opened && ::isatty(opened->raw()) == 1)
            add(name, std::move(*opened));
        else if (!opened)
            errors.push_back(std::move(opened.error()));
    }
    return errors;
}

void Consoles::add(std::string name, sys::OwnedFd terminal) {
    winsize size{};
    ::ioctl(terminal.raw(), TIOCGWINSZ, &size);
    std::size_t columns = size.ws_col == 0 ? 80 : size.ws_col;
    Terminal made{.name = std::move(name),
                  .fd = std::move(terminal),
                  .editor = LineEditor(prompt_, columns),
                  .columns = columns};
    ::fcntl(made.fd.raw(), F_SETFL, O_NONBLOCK);
    ::tcgetattr(made.fd.raw(), &made.before);
    auto raw = made.before;
    ::cfmakeraw(&raw);
    raw.c_oflag |= OPOST | ONLCR; // the kernel's messages come there, too
    ::tcsetattr(made.fd.raw(), TCSANOW, &raw);
    terminals_.push_back(std::move(made));
}

void Consoles::write(Terminal& terminal, std::string_view text) const {
    while (!text.empty()) {
        auto written = ::write(terminal.fd.raw(), text.data(), text.size());
        if (written > 0) {
            text.remove_prefix(static_cast<std::size_t>(written));
            continue;
        }
        pollfd ready{terminal.fd.raw(), POLLOUT, 0};
        if (errno != EAGAIN || ::poll(&ready, 1, longest_write_ms) <= 0)
            return;
    }
}

void Consoles::say(std::string_view text) {
    passing_ = false;
    for (auto& terminal : terminals_)
        write(terminal, fmt::format("\r\x1b[K{}{}{}", text, text.ends_with('\n') ? "" : "\n",
                                    terminal.editor.show()));
}

void Consoles::say_passing(std::string_view line) {
    for (auto& terminal : terminals_)
        write(terminal, fmt::format("\r\x1b[K{}", line.substr(0, terminal.columns - 1)));
    passing_ = true;
}

void Consoles::show_prompt() {
    for (auto& terminal : terminals_)
        write(terminal, terminal.editor.show());
}

void Consoles::add_polls(std::vector<pollfd>& polls) const {
    for (const auto& terminal : terminals_)
        polls.push_back({terminal.fd.raw(), POLLIN, 0});
}

std::vector<Consoles::Heard> Consoles::hear(const std::vector<pollfd>& polls) {
    std::vector<Heard> heard;
    for (auto& terminal : terminals_) {
        auto poll = std::find_if(polls.begin(), polls.end(), [&](const pollfd& each) {
            return each.fd == terminal.fd.raw() && (each.revents & POLLIN) != 0;
        });
        if (poll == polls.end())
            continue;
        std::array<char, 1024> bytes{};
        auto got = ::read(terminal.fd.raw(), bytes.data(), bytes.size());
        if (got <= 0)
            continue;
        std::string_view typed{bytes.data(), static_cast<std::size_t>(got)};
        if (typed.find(interrupt) != std::string_view::npos)
            heard.push_back({.console = terminal.name, .line = "", .interrupted = true});
        for (auto step = terminal.editor.feed(typed);; step = terminal.editor.feed("")) {
            write(terminal, step.shown);
            if (!step.line)
                break;
            heard.push_back({.console = terminal.name, .line = *step.line});
        }
    }
    return heard;
}

} // namespace slipway::boot
