// SPDX-License-Identifier: Apache-2.0
#include "vm/console.hpp"

#include <algorithm>

#include "base/strings.hpp"

namespace slipway::vm {
namespace {

constexpr std::size_t longest_line = 4096;
constexpr std::size_t longest_parameters = 32;
constexpr char escape = '\x1b';
constexpr char bell = '\x07';

// Final bytes of the control sequences that move the cursor to another line or erase (ECMA-48).
bool moves(char final_byte) {
    return std::string_view("ABEFHJdf").find(final_byte) != std::string_view::npos;
}

// "6;3" of ESC [ 6 ; 3 H is row and column, from 1.
bool continues(std::string_view position, std::size_t length) {
    auto separator = position.find(';');
    if (length == 0 || separator == std::string_view::npos)
        return false;
    auto column = parse_number(position.substr(separator + 1));
    return column && *column >= length && *column <= length + 1;
}

} // namespace

void Console::feed(std::string_view bytes, const std::function<void(std::string_view)>& on_line) {
    for (char byte : bytes)
        take(byte, on_line);
}

void Console::take(char byte, const std::function<void(std::string_view)>& on_line) {
    switch (state_) {
    case State::Text:
        return take_text(byte, on_line);
    case State::Escape:
        state_ = byte == '['                  ? State::Sequence
                 : byte == ']' || byte == 'P' ? State::String
                                              : State::Text;
        if (byte == 'c')
            end_line(on_line);
        return;
    case State::Sequence:
        if (byte >= '@' && byte <= '~')
            return end_sequence(byte, on_line);
        if (parameters_.size() < longest_parameters)
            parameters_ += byte;
        return;
    case State::String: // ends with BEL, or with ESC and a backslash
        if (byte == bell || byte == '\n')
            state_ = State::Text;
        else if (byte == escape)
            state_ = State::Escape;
        return;
    }
}

void Console::end_sequence(char final_byte, const std::function<void(std::string_view)>& on_line) {
    state_ = State::Text;
    bool goes_on = final_byte == 'H' && continues(parameters_, partial_.size());
    parameters_.clear();
    if (moves(final_byte) && !goes_on)
        end_line(on_line);
}

void Console::take_text(char byte, const std::function<void(std::string_view)>& on_line) {
    if (byte == escape)
        state_ = State::Escape;
    else if (byte == '\n')
        end_line(on_line);
    else if (byte == '\t')
        partial_ += ' ';
    else if (byte == '\b' && !partial_.empty())
        partial_.pop_back();
    else if (static_cast<unsigned char>(byte) >= ' ' && byte != '\x7f' &&
             partial_.size() < longest_line)
        partial_ += byte;
}

void Console::end_line(const std::function<void(std::string_view)>& on_line) {
    auto line = std::string(trim(partial_));
    partial_.clear();
    if (line.empty())
        return;
    if (on_line)
        on_line(line);
    lines_.push_back(std::move(line));
    if (lines_.size() > kept_lines_)
        lines_.pop_front();
}

std::string Console::tail(std::size_t lines) const {
    std::string text;
    bool open_line = !trim(partial_).empty();
    std::size_t whole =
        std::min(lines_.size(), lines - std::min<std::size_t>(lines, open_line ? 1 : 0));
    for (auto line = lines_.end() - static_cast<std::ptrdiff_t>(whole); line != lines_.end();
         ++line)
        text += printable(*line) + "\n";
    if (open_line)
        text += printable(trim(partial_)) + "\n";
    return text;
}

} // namespace slipway::vm
