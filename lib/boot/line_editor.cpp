// SPDX-License-Identifier: Apache-2.0
#include "boot/line_editor.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

namespace slipway::boot {
namespace {

constexpr std::size_t longest_line = 4096; // bytes
constexpr std::size_t longest_history = 100;

constexpr char control(char letter) {
    return static_cast<char>(letter & 0x1f);
}
constexpr char escape = 0x1b;
constexpr char backspace = 0x7f;

// Of UTF-8.
bool continues(char byte) {
    return (static_cast<unsigned char>(byte) & 0xc0) == 0x80;
}
std::size_t width_of(std::string_view text) {
    return static_cast<std::size_t>(
        std::count_if(text.begin(), text.end(), [](char byte) { return !continues(byte); }));
}

} // namespace

LineEditor::LineEditor(std::string prompt, std::size_t columns)
    : prompt_(std::move(prompt)), columns_(columns) {}

std::size_t LineEditor::before(std::size_t at) const {
    while (at > 0 && continues(line_[--at])) {
    }
    return at;
}

std::size_t LineEditor::after(std::size_t at) const {
    if (at < line_.size())
        ++at;
    while (at < line_.size() && continues(line_[at]))
        ++at;
    return at;
}

std::string LineEditor::show() const {
    auto room = columns_ > width_of(prompt_) + 2 ? columns_ - width_of(prompt_) - 1 : 1;
    std::size_t from = 0;
    while (width_of({line_.data() + from, cursor_ - from}) > room)
        from = after(from);
    auto to = from;
    while (to < line_.size() && width_of({line_.data() + from, after(to) - from}) <= room)
        to = after(to);
    auto shown =
        fmt::format("\r{}{}\x1b[K", prompt_, std::string_view(line_).substr(from, to - from));
    if (auto back = width_of({line_.data() + cursor_, to - cursor_}); back > 0)
        shown += fmt::format("\x1b[{}D", back);
    return shown;
}

LineEditor::Step LineEditor::feed(std::string_view bytes) {
    waiting_.append(bytes);
    Step step;
    std::size_t taken = 0;
    while (taken < waiting_.size() && !step.line && !step.ended)
        take(waiting_[taken++], step);
    waiting_.erase(0, taken);
    if (!step.line && !step.ended && taken > 0)
        step.shown += show();
    return step;
}

void LineEditor::take(char byte, Step& step) {
    bool is_second = after_return_ && byte == '\n';
    after_return_ = byte == '\r';
    if (is_second)
        return;
    switch (state_) {
    case State::Escape:
        state_ = byte == '[' || byte == 'O' ? State::Sequence : State::Text;
        parameters_.clear();
        return;
    case State::Sequence:
        if (byte >= 0x40 && byte <= 0x7e) {
            state_ = State::Text;
            end_sequence(byte);
        } else if (parameters_.size() < 16)
            parameters_ += byte;
        return;
    case State::Text:
        break;
    }
    if (byte == escape)
        state_ = State::Escape;
    else if (byte == '\r' || byte == '\n')
        end_line(step);
    else if (static_cast<unsigned char>(byte) < 0x20 || byte == backspace)
        take_control(byte, step);
    else
        insert({&byte, 1});
}

void LineEditor::take_control(char byte, Step& step) {
    auto start_of_word = [this] {
        auto at = cursor_;
        while (at > 0 && line_[at - 1] == ' ')
            --at;
        while (at > 0 && line_[at - 1] != ' ')
            --at;
        return at;
    };
    switch (byte) {
    case control('A'):
        cursor_ = 0;
        break;
    case control('E'):
        cursor_ = line_.size();
        break;
    case control('B'):
        cursor_ = before(cursor_);
        break;
    case control('F'):
        cursor_ = after(cursor_);
        break;
    case control('P'):
    case control('N'):
        go_through_history(byte == control('P'));
        break;
    case control('H'):
    case backspace:
        erase(before(cursor_), cursor_);
        break;
    case control('K'):
        erase(cursor_, line_.size());
        break;
    case control('U'):
        erase(0, cursor_);
        break;
    case control('W'):
        erase(start_of_word(), cursor_);
        break;
    case control('L'):
        step.shown += "\x1b[H\x1b[2J";
        break;
    case control('C'):
        step.shown += "^C\r\n";
        line_.clear();
        cursor_ = shown_ = 0;
        break;
    case control('D'):
        step.ended = line_.empty();
        erase(cursor_, after(cursor_));
        break;
    default: // bells and such
        break;
    }
}

void LineEditor::end_sequence(char final_byte) {
    if (final_byte == '~') // as in "ESC [ 3 ~"
        final_byte = parameters_ == "1" || parameters_ == "7"   ? 'H'
                     : parameters_ == "4" || parameters_ == "8" ? 'F'
                     : parameters_ == "3"                       ? '3'
                                                                : '~';
    switch (final_byte) {
    case 'A':
    case 'B':
        return go_through_history(final_byte == 'A');
    case 'C':
        cursor_ = after(cursor_);
        return;
    case 'D':
        cursor_ = before(cursor_);
        return;
    case 'H':
        cursor_ = 0;
        return;
    case 'F':
        cursor_ = line_.size();
        return;
    case '3':
        return erase(cursor_, after(cursor_));
    default:
        return;
    }
}

void LineEditor::insert(std::string_view text) {
    if (line_.size() + text.size() > longest_line)
        return;
    line_.insert(cursor_, text);
    cursor_ += text.size();
}

void LineEditor::erase(std::size_t from, std::size_t to) {
    line_.erase(from, to - from);
    cursor_ = from;
}

void LineEditor::end_line(Step& step) {
    cursor_ = line_.size();
    step.shown += show() + "\r\n";
    if (!line_.empty() && (history_.empty() || history_.back() != line_))
        history_.push_back(line_);
    if (history_.size() > longest_history)
        history_.pop_front();
    step.line = std::exchange(line_, {});
    cursor_ = shown_ = 0;
}

void LineEditor::go_through_history(bool back) {
    if (back ? shown_ == history_.size() : shown_ == 0)
        return;
    if (shown_ == 0)
        typed_ = line_;
    shown_ = back ? shown_ + 1 : shown_ - 1;
    line_ = shown_ == 0 ? typed_ : history_[history_.size() - shown_];
    cursor_ = line_.size();
}

} // namespace slipway::boot
