// SPDX-License-Identifier: Apache-2.0
#include "ops/boot_command.hpp"

#include <algorithm>
#include <array>
#include <vector>

#include "base/strings.hpp"

namespace slipway::ops {
namespace {

template <std::size_t N>
bool is_one_of(std::string_view word, const std::array<std::string_view, N>& words) {
    return std::find(words.begin(), words.end(), word) != words.end();
}

std::string join_arguments(const std::vector<std::string_view>& words, std::size_t from) {
    std::vector<std::string> kept;
    for (std::size_t i = from; i < words.size(); ++i)
        if (words[i].find('$') == std::string_view::npos)
            kept.emplace_back(words[i]);
    return join(kept, " ");
}

} // namespace

std::optional<BootCommand> find_boot_command(std::string_view text) {
    constexpr std::array<std::string_view, 4> grub_commands{"linux", "linux16", "linuxefi",
                                                            "kernel"};
    constexpr std::string_view environment = "kernelopts=";
    BootCommand command;
    for (auto line : split_lines(text)) {
        auto words = split_words(line);
        if (words.empty())
            continue;
        auto key = to_lower(words[0]);
        if (words[0].starts_with(environment)) {
            words[0].remove_prefix(environment.size());
            return BootCommand{"", join_arguments(words, 0)};
        }
        if (key == "options" || key == "append") {
            command.arguments = join_arguments(words, 1);
            return command;
        }
        if (words.size() < 2 || !is_one_of(key, grub_commands))
            continue;
        command.kernel = words[1];
        command.arguments = join_arguments(words, 2);
        // In an entry or in extlinux.conf the arguments stand on a line of their own.
        if (words.size() > 2)
            return command;
    }
    return command.kernel.empty() ? std::nullopt : std::optional(command);
}

bool has_serial_console(std::string_view arguments) {
    auto words = split_words(arguments);
    return std::any_of(words.begin(), words.end(), [](std::string_view word) {
        return word == "console=ttyS0" || word.starts_with("console=ttyS0,");
    });
}

std::string with_serial_console(std::string_view arguments) {
    constexpr std::array<std::string_view, 4> hidden{"quiet", "splash", "rhgb", "---"};
    std::string result;
    for (auto word : split_words(arguments))
        if (!word.starts_with("console=") && !word.starts_with("vga=") && !is_one_of(word, hidden))
            result += std::string(word) + " ";
    return result + "console=ttyS0,115200";
}

} // namespace slipway::ops
