// SPDX-License-Identifier: Apache-2.0
// A line that somebody types at a terminal, with history; pure: bytes in, what to show out.
#pragma once

#include <cstddef>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace slipway::boot {

/// Keys as in a shell: arrows, Home, End, Delete, Ctrl-A, -E, -B, -F, -K, -U, -W, -D, -L, -P, -N,
/// -C. What is longer than the terminal is moved sideways.
class LineEditor {
public:
    explicit LineEditor(std::string prompt, std::size_t columns = 80);

    /// What to show before anything is typed, and after something else was shown.
    [[nodiscard]] std::string show() const;
    struct Step {
        std::string shown;                 ///< to be written to the terminal, in order
        std::optional<std::string> line{}; ///< that was ended; what is left of the bytes waits
        bool ended = false;                ///< Ctrl-D on an empty line
    };
    /// Takes bytes up to the end of a line. Call it with "" for more lines of what came at once.
    [[nodiscard]] Step feed(std::string_view bytes);
    /// Shows another prompt from now on.
    void set_prompt(std::string prompt) { prompt_ = std::move(prompt); }

private:
    enum class State { Text, Escape, Sequence };
    void take(char byte, Step& step);
    void take_control(char byte, Step& step);
    void end_sequence(char final_byte);
    void insert(std::string_view text);
    void erase(std::size_t from, std::size_t to);
    void end_line(Step& step);
    void go_through_history(bool back);
    [[nodiscard]] std::size_t before(std::size_t at) const;
    [[nodiscard]] std::size_t after(std::size_t at) const;

    std::string prompt_;
    std::size_t columns_;
    std::string waiting_; ///< bytes behind the end of the last line
    std::string line_;
    std::size_t cursor_ = 0; ///< bytes
    State state_ = State::Text;
    std::string parameters_;    ///< of the escape sequence that is coming
    bool after_return_ = false; ///< a line feed behind it is of the same line
    std::deque<std::string> history_;
    std::size_t shown_ = 0; ///< of the history, from its end; 0: the line that is typed
    std::string typed_;     ///< while the history is shown
};

} // namespace slipway::boot
