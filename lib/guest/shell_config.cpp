// SPDX-License-Identifier: Apache-2.0
#include "guest/shell_config.hpp"

#include <algorithm>

namespace slipway::guest {
namespace {

bool is_name_start(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

bool is_name(char c) {
    return is_name_start(c) || (c >= '0' && c <= '9');
}

class Scanner {
public:
    explicit Scanner(std::string_view text) : text_(text) {}

    std::vector<ShellAssignment> all() {
        std::vector<ShellAssignment> found;
        while (at_ < text_.size()) {
            skip_blanks();
            ShellAssignment assignment;
            if (read_name(assignment)) {
                read_value(assignment);
                found.push_back(std::move(assignment));
            }
            skip_line();
        }
        return found;
    }

private:
    [[nodiscard]] char peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }

    void skip_blanks() {
        while (peek() == ' ' || peek() == '\t')
            ++at_;
    }

    void skip_line() {
        auto end = text_.find('\n', at_);
        at_ = end == std::string_view::npos ? text_.size() : end + 1;
    }

    bool read_name(ShellAssignment& assignment) {
        constexpr std::string_view exported = "export ";
        if (text_.substr(at_).starts_with(exported)) {
            at_ += exported.size();
            skip_blanks();
        }
        auto start = at_;
        if (!is_name_start(peek()))
            return false;
        while (is_name(peek()))
            ++at_;
        assignment.name = text_.substr(start, at_ - start);
        if (peek() == '+') {
            assignment.append = true;
            ++at_;
        }
        if (peek() != '=')
            return false;
        ++at_;
        return true;
    }

    void read_value(ShellAssignment& assignment) {
        if (peek() == '(') {
            assignment.array = true;
            assignment.begin = ++at_;
            read_until(assignment, ")");
            assignment.end = at_;
            return;
        }
        assignment.begin = at_;
        read_until(assignment, " \t\n\r;&|");
        assignment.end = at_;
        // One pair of quotes around all of it: what stands inside is the value's own text.
        auto raw = text_.substr(assignment.begin, assignment.end - assignment.begin);
        if (raw.size() >= 2 && (raw.front() == '"' || raw.front() == '\'') &&
            first_quote_end_ == assignment.end) {
            ++assignment.begin;
            --assignment.end;
        }
    }

    // Ends at an unquoted character of `stops`; remembers where the first quoted piece ended.
    void read_until(ShellAssignment& assignment, std::string_view stops) {
        char open = 0;
        first_quote_end_ = std::string_view::npos;
        for (; at_ < text_.size(); ++at_) {
            char c = text_[at_];
            if (c == '\\' && open != '\'' && at_ + 1 < text_.size()) {
                if (text_[++at_] != '\n')
                    assignment.value += text_[at_];
            } else if (open == 0 && (c == '"' || c == '\''))
                open = c;
            else if (open != 0 && c == open) {
                open = 0;
                if (first_quote_end_ == std::string_view::npos)
                    first_quote_end_ = at_ + 1;
            } else if (open == 0 && stops.find(c) != std::string_view::npos)
                break;
            else if (open == 0 && c == '#' && assignment.array && is_word_start(assignment))
                at_ = std::min(text_.find('\n', at_), text_.size()) - 1;
            else
                assignment.value += c;
        }
    }

    // Arrays span lines, and comments may stand between their words.
    [[nodiscard]] bool is_word_start(const ShellAssignment& assignment) const {
        constexpr std::string_view blanks = " \t\n";
        return at_ == assignment.begin || blanks.find(text_[at_ - 1]) != std::string_view::npos;
    }

    std::string_view text_;
    std::size_t at_ = 0;
    std::size_t first_quote_end_ = std::string_view::npos;
};

} // namespace

std::vector<ShellAssignment> parse_shell_assignments(std::string_view text) {
    return Scanner(text).all();
}

const ShellAssignment* last_assignment(const std::vector<ShellAssignment>& all,
                                       std::string_view name) {
    const ShellAssignment* last = nullptr;
    for (const auto& assignment : all)
        if (assignment.name == name)
            last = &assignment;
    return last;
}

} // namespace slipway::guest
