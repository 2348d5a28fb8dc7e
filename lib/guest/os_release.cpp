// SPDX-License-Identifier: Apache-2.0
#include "guest/os_release.hpp"

#include <algorithm>

#include "base/strings.hpp"

namespace slipway::guest {
namespace {

bool is_name(std::string_view text) {
    return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
        return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
               c == '_';
    });
}

// Quoting as of a shell's word; a quote that is never closed ends with the line.
std::string unquote(std::string_view text) {
    std::string out;
    char quote = 0;
    for (std::size_t i = 0; i < text.size(); ++i) {
        char c = text[i];
        if (quote == 0 && (c == ' ' || c == '\t'))
            break;
        if (c == '\\' && quote != '\'' && i + 1 < text.size())
            out += text[++i];
        else if (quote == 0 && (c == '"' || c == '\''))
            quote = c;
        else if (c == quote)
            quote = 0;
        else
            out += c;
    }
    return out;
}

} // namespace

std::map<std::string, std::string> parse_os_release(std::string_view text) {
    std::map<std::string, std::string> values;
    for (auto raw : split_lines(text)) {
        auto line = trim(raw);
        auto equals = line.find('=');
        if (line.starts_with('#') || equals == std::string_view::npos ||
            !is_name(line.substr(0, equals)))
            continue;
        values[std::string(line.substr(0, equals))] = unquote(line.substr(equals + 1));
    }
    return values;
}

} // namespace slipway::guest
