// SPDX-License-Identifier: Apache-2.0
#include "guest/boot_arguments.hpp"

#include <algorithm>
#include <array>

#include "base/strings.hpp"

namespace slipway::guest {
namespace {

using Words = std::vector<std::string_view>;

bool is_one_of(std::string_view word, std::initializer_list<std::string_view> words) {
    return std::find(words.begin(), words.end(), word) != words.end();
}

std::string unquote(std::string_view text) {
    std::string out;
    std::copy_if(text.begin(), text.end(), std::back_inserter(out),
                 [](char c) { return c != '"' && c != '\''; });
    return out;
}

// Whether the words after the first are kernel arguments.
using IsCommandLine = bool (*)(std::string_view first_word);

bool is_grub_command(std::string_view word) {
    return is_one_of(word, {"linux", "linux16", "linuxefi", "kernel", "module", "module2"});
}
bool is_entry_key(std::string_view word) {
    return word == "options";
}
bool is_extlinux_keyword(std::string_view word) {
    return is_one_of(to_lower(word), {"append"});
}
bool is_environment_variable(std::string_view word) {
    return word.starts_with("kernelopts=");
}

IsCommandLine reader_for(std::string_view path) {
    auto name = basename_of(path);
    if (is_one_of(name, {"grub.cfg", "menu.lst", "grub.conf"}))
        return is_grub_command;
    if (name == "grubenv")
        return is_environment_variable;
    if (is_one_of(name, {"extlinux.conf", "syslinux.cfg"}))
        return is_extlinux_keyword;
    if (dirname_of(path).ends_with("/loader/entries") && name.ends_with(".conf"))
        return is_entry_key;
    return nullptr;
}

} // namespace

std::vector<BootArgument> find_boot_arguments(std::string_view path, std::string_view text) {
    std::vector<BootArgument> found;
    auto is_command_line = reader_for(path);
    if (is_command_line == nullptr)
        return found;
    int line_no = 0;
    for (auto line : split_lines(text)) {
        ++line_no;
        auto words = split_words(line);
        if (words.empty() || !is_command_line(words.front()))
            continue;
        if (words.front().starts_with("kernelopts="))
            words.front().remove_prefix(std::string_view("kernelopts=").size());
        for (auto word : words) {
            auto equals = word.find('=');
            auto name = unquote(word.substr(0, equals));
            if (equals != std::string_view::npos && is_one_of(name, {"root", "resume"}))
                found.push_back({line_no, name, unquote(word.substr(equals + 1))});
        }
    }
    return found;
}

} // namespace slipway::guest
