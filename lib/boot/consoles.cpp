// SPDX-License-Identifier: Apache-2.0
#include "boot/consoles.hpp"

#include <algorithm>
#include <array>

#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <fmt/format.h>

#include "base/strings.hpp"
#include "boot/polls.hpp"

namespace slipway::boot {
namespace {

constexpr char interrupt = 3; // Ctrl-C
constexpr std::chrono::seconds between_looks{1};
constexpr int longest_write_ms = 200; // to a line that does not take more: a hung one is left alone
constexpr std::size_t most_waiting = 64 << 10, most_mirrored = 256 << 10; // bytes

// "tty0", "tty1": the screen.
bool is_screen(std::string_view name) {
    return name.size() > 3 && name.starts_with("tty") && name[3] >= '0' && name[3] <= '9';
}

Result<sys::OwnedFd> open_terminal(const std::string& devices, const std::string& name) {
    auto path = fmt::format("{}/{}", devices, name);
    // Not as our controlling terminal: Ctrl-C is a key here.
    SLIPWAY_TRY(auto opened, sys::open_file(path, O_RDWR | O_NOCTTY | O_NONBLOCK));
    if (::isatty(opened.raw()) != 1)
        return fail(Code::Unsupported, fmt::format("{} is no terminal", printable(path)));
    return opened;
}

} // namespace

Consoles::~Consoles() {
    for (auto& terminal : terminals_)
        ::tcsetattr(terminal.fd.raw(), TCSANOW, &terminal.before);
}

std::vector<Error> Consoles::open(const std::vector<std::string>& names) {
    std::vector<Error> errors;
    for (const auto& name : names) {
        if (auto opened = open_terminal(devices_, name))
            add(name, std::move(*opened));
        else if (opened.error().code != Code::Unsupported) // "console=null" is none
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
    make_raw(made);
    terminals_.push_back(std::move(made));
}

void Consoles::make_raw(Terminal& terminal) {
    auto raw = terminal.before;
    ::cfmakeraw(&raw);
    if (!terminal.is_lent)
        raw.c_oflag |= OPOST | ONLCR; // the kernel's messages come there, too
    ::tcsetattr(terminal.fd.raw(), TCSANOW, &raw);
}

Consoles::Terminal* Consoles::shared() {
    auto found = std::find_if(terminals_.begin(), terminals_.end(),
                              [](const Terminal& each) { return !is_screen(each.name); });
    if (found == terminals_.end())
        found = terminals_.begin();
    return found == terminals_.end() ? nullptr : &*found;
}

void Consoles::write(Terminal& terminal, std::string_view text) {
    if (&terminal == shared()) {
        mirrored_ += text;
        if (mirrored_.size() > most_mirrored)
            mirrored_.erase(0, mirrored_.size() - most_mirrored);
    }
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
    for (auto& terminal : terminals_)
        if (!terminal.is_lent)
            write(terminal, fmt::format("\r\x1b[K{}{}{}", text, text.ends_with('\n') ? "" : "\n",
                                        terminal.editor.show()));
}

void Consoles::say_passing(std::string_view line) {
    for (auto& terminal : terminals_)
        if (!terminal.is_lent)
            write(terminal, fmt::format("\r\x1b[K{}", line.substr(0, terminal.columns - 1)));
}

void Consoles::show_prompt() {
    for (auto& terminal : terminals_)
        if (!terminal.is_lent)
            write(terminal, terminal.editor.show());
}

void Consoles::add_polls(std::vector<pollfd>& polls) const {
    for (const auto& terminal : terminals_) {
        if (terminal.is_lent && !terminal.lent.valid())
            continue;
        if (!terminal.lost) // poll would say at once that it is hung up
            polls.push_back({terminal.fd.raw(), POLLIN, 0});
        // poll says at once that one is hung up, for as long as it is.
        if (terminal.lent.valid() && !terminal.is_hung_up)
            polls.push_back({terminal.lent.raw(), POLLIN, 0});
    }
}

std::vector<Consoles::Heard> Consoles::hear(const std::vector<pollfd>& polls) {
    std::vector<Heard> heard;
    for (auto& terminal : terminals_) {
        if (terminal.is_lent && !terminal.lent.valid())
            continue;
        look_for(terminal);
        std::array<char, 4096> bytes{};
        if (is_ready(polls, terminal.fd.raw())) {
            auto got = ::read(terminal.fd.raw(), bytes.data(), bytes.size());
            if (got == 0 || (got < 0 && (errno == EIO || errno == ENODEV)))
                terminal.lost = Clock::now();
            if (got > 0)
                take_typed(terminal, {bytes.data(), static_cast<std::size_t>(got)}, heard);
        }
        if (terminal.is_lent)
            pass_on(terminal, polls);
    }
    return heard;
}

std::vector<Consoles::Heard> Consoles::type(std::string_view bytes) {
    std::vector<Heard> heard;
    if (auto* terminal = shared())
        take_typed(*terminal, bytes, heard);
    return heard;
}

void Consoles::take_typed(Terminal& terminal, std::string_view typed, std::vector<Heard>& heard) {
    if (terminal.is_lent) {
        if (terminal.word.feed(typed))
            heard.push_back({.console = terminal.name, .line = "", .come_back = true});
        if (terminal.waiting.size() < most_waiting)
            terminal.waiting += typed;
        return;
    }
    if (typed.find(interrupt) != std::string_view::npos)
        heard.push_back({.console = terminal.name, .line = "", .interrupted = true});
    for (auto step = terminal.editor.feed(typed);; step = terminal.editor.feed("")) {
        write(terminal, step.shown);
        if (!step.line)
            break;
        heard.push_back({.console = terminal.name, .line = *step.line});
    }
}

void Consoles::pass_on(Terminal& terminal, const std::vector<pollfd>& polls) {
    std::array<char, 4096> bytes{};
    if (terminal.is_hung_up || is_ready(polls, terminal.lent.raw())) {
        auto got = ::read(terminal.lent.raw(), bytes.data(), bytes.size());
        terminal.is_hung_up = got < 0 && errno == EIO;
        if (got > 0)
            write(terminal, {bytes.data(), static_cast<std::size_t>(got)});
    }
    if (!terminal.waiting.empty())
        if (auto written =
                ::write(terminal.lent.raw(), terminal.waiting.data(), terminal.waiting.size());
            written > 0)
            terminal.waiting.erase(0, static_cast<std::size_t>(written));
}

Result<std::vector<Consoles::Lent>> Consoles::lend(const std::string& only) {
    std::vector<Lent> lent;
    for (auto& terminal : terminals_) {
        if (!only.empty() && terminal.name != only)
            continue;
        terminal.is_lent = true;
        if (is_screen(terminal.name)) {
            ::tcsetattr(terminal.fd.raw(), TCSANOW, &terminal.before);
            terminal.screen = look_at_screen(terminal.fd);
            lent.push_back({terminal.name, ""});
            continue;
        }
        sys::OwnedFd master(::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK));
        std::array<char, 64> name{};
        if (!master.valid() || ::unlockpt(master.raw()) != 0 ||
            ::ptsname_r(master.raw(), name.data(), name.size()) != 0)
            return fail_errno("making a pseudo-terminal");
        winsize size{.ws_row = 24, .ws_col = static_cast<unsigned short>(terminal.columns)};
        ::ioctl(master.raw(), TIOCSWINSZ, &size);
        terminal.lent = std::move(master);
        lent.push_back({terminal.name, name.data()});
    }
    for (auto& terminal : terminals_)
        if (terminal.lent.valid())
            make_raw(terminal);
    return lent;
}

bool Consoles::restore(Terminal& terminal) const {
    bool is_gone = terminal.lost.has_value();
    if (is_screen(terminal.name) || is_gone) {
        auto again = is_screen(terminal.name) ? restore_screen(terminal.screen)
                                              : open_terminal(devices_, terminal.name);
        is_gone = is_gone && !again;
        if (again)
            terminal.fd = std::move(*again);
    }
    make_raw(terminal);
    return !is_gone;
}

void Consoles::look_for(Terminal& terminal) const {
    if (!terminal.lost || Clock::now() - *terminal.lost < between_looks)
        return;
    terminal.lost = Clock::now();
    if (restore(terminal))
        terminal.lost.reset();
}

void Consoles::take_back() {
    for (auto& terminal : terminals_) {
        if (!terminal.is_lent)
            continue;
        terminal.is_lent = terminal.is_hung_up = false;
        terminal.lent.reset();
        terminal.waiting.clear();
        terminal.word = WordMatcher();
        restore(terminal);
        write(terminal, "\r\x1b[0m\n" + terminal.editor.show());
    }
}

} // namespace slipway::boot
