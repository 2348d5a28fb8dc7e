// SPDX-License-Identifier: Apache-2.0
#include "ops/boot_command.hpp"

#include <algorithm>
#include <array>
#include <vector>

#include "base/strings.hpp"
#include "guest/boot_entries.hpp"
#include "guest/boot_files.hpp"
#include "guest/grub_cfg.hpp"

namespace slipway::ops {
namespace {

// Words that a boot loader would have to expand are left out, and its marks of a continued line.
std::string plain_words(std::string_view arguments) {
    std::vector<std::string> kept;
    for (auto word : split_words(arguments))
        if (word != "\\" && word.find('$') == std::string_view::npos)
            kept.emplace_back(word);
    return join(kept, " ");
}

std::optional<BootCommand> first_of_menu(std::string_view text) {
    auto kernels = guest::parse_grub_kernels(text);
    if (kernels.empty())
        return std::nullopt;
    const auto& first = kernels.front();
    return BootCommand{first.image,
                       plain_words(text.substr(first.arguments_begin,
                                               first.arguments_end - first.arguments_begin))};
}

std::optional<BootCommand> of_entry(std::string_view text) {
    auto entry = guest::parse_boot_entry(text);
    if (entry.kernel.empty() && entry.options.empty())
        return std::nullopt;
    return BootCommand{entry.kernel, plain_words(entry.options)};
}

std::optional<BootCommand> first_argument_site(guest::BootFileKind kind, std::string_view text) {
    auto sites = guest::argument_sites(kind, text);
    if (sites.empty())
        return std::nullopt;
    const auto& first = sites.front();
    return BootCommand{"", plain_words(text.substr(first.begin, first.end - first.begin))};
}

} // namespace

std::optional<BootCommand> find_boot_command(std::string_view path, std::string_view text) {
    auto kind = guest::kind_of_boot_file(path);
    switch (kind) {
    case guest::BootFileKind::GrubConfig:
    case guest::BootFileKind::GrubLegacy:
        return first_of_menu(text);
    case guest::BootFileKind::BlsEntry:
        return of_entry(text);
    case guest::BootFileKind::GrubEnvironment:
    case guest::BootFileKind::Extlinux:
        return first_argument_site(kind, text);
    default:
        return std::nullopt;
    }
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
        if (!word.starts_with("console=") && !word.starts_with("vga=") &&
            std::find(hidden.begin(), hidden.end(), word) == hidden.end())
            result += std::string(word) + " ";
    return result + "console=ttyS0,115200";
}

} // namespace slipway::ops
