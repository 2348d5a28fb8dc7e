// SPDX-License-Identifier: Apache-2.0
#include "guest/command_line.hpp"

#include <algorithm>

namespace slipway::guest {
namespace {

bool is_blank(char c) {
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

bool is_quote(char c) {
    return c == '"' || c == '\'';
}

std::string without_quotes(std::string_view text) {
    std::string out;
    char open = 0;
    for (char c : text) {
        if (open == 0 && is_quote(c))
            open = c;
        else if (c == open)
            open = 0;
        else
            out += c;
    }
    return out;
}

std::size_t end_of_argument(std::string_view text, std::size_t at) {
    char open = 0;
    for (; at < text.size(); ++at) {
        char c = text[at];
        if (open == 0 && is_blank(c))
            break;
        if (open == 0 && is_quote(c))
            open = c;
        else if (c == open)
            open = 0;
    }
    return at;
}

bool has_quote(std::string_view text) {
    return text.find_first_of("'\"") != std::string_view::npos;
}

// One pair around all of it, and none inside.
bool is_quoted_once(std::string_view text) {
    return text.size() >= 2 && is_quote(text.front()) && text.back() == text.front() &&
           !has_quote(text.substr(1, text.size() - 2));
}

// Quotes may enclose the argument or its value; where they stand otherwise, there is no telling
// what an edit would do to the rest of the line, so that counts as an argument without a value.
Argument argument_of(std::string_view text, std::size_t begin, std::size_t end) {
    auto raw = text.substr(begin, end - begin);
    Argument argument{.key = without_quotes(raw),
                      .begin = begin,
                      .end = end,
                      .value_begin = end,
                      .value_end = end};
    auto inner = is_quoted_once(raw) ? raw.substr(1, raw.size() - 2) : raw;
    auto equals = inner.find('=');
    if (equals == std::string_view::npos || has_quote(inner.substr(0, equals)))
        return argument;
    auto value = inner.substr(equals + 1);
    if (has_quote(value) && !is_quoted_once(value))
        return argument;
    argument.has_value = true;
    argument.key = inner.substr(0, equals);
    argument.value = without_quotes(value);
    argument.value_begin = begin + static_cast<std::size_t>(value.data() - raw.data());
    argument.value_end = argument.value_begin + value.size();
    return argument;
}

} // namespace

std::vector<Argument> parse_command_line(std::string_view text) {
    std::vector<Argument> arguments;
    for (std::size_t at = 0; at < text.size();) {
        if (is_blank(text[at])) {
            ++at;
            continue;
        }
        auto end = end_of_argument(text, at);
        arguments.push_back(argument_of(text, at, end));
        at = end;
    }
    return arguments;
}

std::string apply_edits(std::string_view text, std::vector<Edit> edits) {
    std::sort(edits.begin(), edits.end(),
              [](const Edit& a, const Edit& b) { return a.begin < b.begin; });
    std::string out;
    std::size_t at = 0;
    for (const auto& edit : edits) {
        out += text.substr(at, edit.begin - at);
        out += edit.text;
        at = edit.end;
    }
    out += text.substr(at);
    return out;
}

int line_of(std::string_view text, std::size_t offset) {
    auto before = text.substr(0, offset);
    return static_cast<int>(std::count(before.begin(), before.end(), '\n')) + 1;
}

} // namespace slipway::guest
