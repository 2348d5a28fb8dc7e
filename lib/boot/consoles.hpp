// SPDX-License-Identifier: Apache-2.0
// The terminals at which somebody may stand: a prompt on each, what is said goes to all.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <poll.h>
#include <termios.h>

#include "base/error.hpp"
#include "base/units.hpp"
#include "boot/line_editor.hpp"
#include "boot/screen.hpp"
#include "boot/triggers.hpp"
#include "sys/fd.hpp"

namespace slipway::boot {

class Consoles {
public:
    /// `devices`: another place than /dev for tests.
    explicit Consoles(std::string prompt, std::string devices = "/dev")
        : prompt_(std::move(prompt)), devices_(std::move(devices)) {}
    Consoles(const Consoles&) = delete;
    Consoles& operator=(const Consoles&) = delete;
    /// Gives the terminals back as they were.
    ~Consoles();

    /// "ttyS0", "tty0", below /dev. One that cannot be opened is told, and the others are taken.
    [[nodiscard]] std::vector<Error> open(const std::vector<std::string>& names);
    /// Takes a terminal that is open already; for tests.
    void add(std::string name, sys::OwnedFd terminal);
    [[nodiscard]] bool empty() const { return terminals_.empty(); }

    /// Whole lines above the prompts.
    void say(std::string_view text);
    /// What replaces itself, such as a progress bar, until something else is said.
    void say_passing(std::string_view line);
    void show_prompt();

    /// To be waited for, beside others.
    void add_polls(std::vector<pollfd>& polls) const;
    struct Heard {
        std::string console;
        std::string line;
        bool interrupted = false; ///< Ctrl-C
        bool come_back = false;   ///< the word, on a line that is lent
    };
    /// What was typed, after poll; what passes on lines that are lent.
    [[nodiscard]] std::vector<Heard> hear(const std::vector<pollfd>& polls);

    /// Lends the terminals, or the one with this name, to a system that starts: a serial line
    /// through a pseudo-terminal, since two readers of one would split its bytes; the screen as it
    /// is. Nothing is said there meanwhile.
    struct Lent {
        std::string name;     ///< "ttyS0"
        std::string terminal; ///< "/dev/pts/0"; "" of the screen
    };
    [[nodiscard]] Result<std::vector<Lent>> lend(const std::string& only = "");
    /// Takes all back that were lent, and shows their prompts.
    void take_back();

    /// What was written since the last call to the terminal that somebody far away shares: the
    /// first serial line, or the only screen. Of very much the end.
    [[nodiscard]] std::string take_mirrored() { return std::exchange(mirrored_, {}); }
    /// As if it were typed there.
    [[nodiscard]] std::vector<Heard> type(std::string_view bytes);

private:
    struct Terminal {
        std::string name;
        sys::OwnedFd fd;
        termios before{};
        LineEditor editor;
        std::size_t columns = 80;
        bool is_lent = false;
        /// Hung up by a system that does not end, or pulled out: when it was last looked for.
        std::optional<Clock::time_point> lost{};
        ScreenState screen{};    ///< when it was lent
        sys::OwnedFd lent{};     ///< the pseudo-terminal's master
        bool is_hung_up = false; ///< nobody has its other end open, just now
        std::string waiting{};   ///< for its system, which does not read
        WordMatcher word{};
    };
    void pass_on(Terminal& terminal, const std::vector<pollfd>& polls);
    void take_typed(Terminal& terminal, std::string_view typed, std::vector<Heard>& heard);
    bool restore(Terminal& terminal) const;
    /// Opens one again that is lost, once in a while.
    void look_for(Terminal& terminal) const;
    static void make_raw(Terminal& terminal);
    void write(Terminal& terminal, std::string_view text);
    Terminal* shared();

    std::string prompt_, devices_;
    std::vector<Terminal> terminals_;
    std::string mirrored_;
};

} // namespace slipway::boot
