// SPDX-License-Identifier: Apache-2.0
// The text of a serial console as it comes: bytes in, plain lines out.
#pragma once

#include <deque>
#include <functional>
#include <string>
#include <string_view>

namespace slipway::vm {

/// Takes out terminal escape sequences and control characters. A sequence that moves the cursor
/// ends the line, so that what boot menus draw becomes lines; unless it moves to where the line
/// ends anyway, as GRUB does in the middle of words. Memory is bounded whatever the guest sends:
/// the last lines are kept, and of a line its first 4 KiB.
class Console {
public:
    explicit Console(std::size_t kept_lines = 200) : kept_lines_(kept_lines) {}

    /// Calls `on_line` with each line that ends in `bytes`. Empty lines are dropped.
    void feed(std::string_view bytes, const std::function<void(std::string_view)>& on_line = {});
    /// The line that has not ended yet, such as a prompt.
    [[nodiscard]] const std::string& partial() const { return partial_; }
    /// The last lines, the unfinished one included, with line feeds, as printable UTF-8.
    [[nodiscard]] std::string tail(std::size_t lines) const;

private:
    enum class State { Text, Escape, Sequence, String };
    void take(char byte, const std::function<void(std::string_view)>& on_line);
    void take_text(char byte, const std::function<void(std::string_view)>& on_line);
    void end_sequence(char final_byte, const std::function<void(std::string_view)>& on_line);
    void end_line(const std::function<void(std::string_view)>& on_line);

    std::size_t kept_lines_;
    State state_ = State::Text;
    std::string parameters_; ///< of the escape sequence that is coming
    std::string partial_;
    std::deque<std::string> lines_;
};

} // namespace slipway::vm
