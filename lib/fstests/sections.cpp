// SPDX-License-Identifier: Apache-2.0
#include "fstests/sections.hpp"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "base/strings.hpp"

namespace slipway::fstests {
namespace {

constexpr std::array<std::string_view, 14> ours{
    "TEST_DEV",      "TEST_DIR",    "SCRATCH_DEV",  "SCRATCH_MNT",      "SCRATCH_DEV_POOL",
    "LOGWRITES_DEV", "TEST_LOGDEV", "TEST_RTDEV",   "SCRATCH_LOGDEV",   "SCRATCH_RTDEV",
    "USE_EXTERNAL",  "RESULT_BASE", "HOST_OPTIONS", "RECREATE_TEST_DEV"};
constexpr std::array<std::string_view, 4> of_one_fstype{"MKFS_OPTIONS", "MOUNT_OPTIONS",
                                                        "TEST_FS_MOUNT_OPTS", "FSCK_OPTIONS"};

template <class Names> bool is_one_of(const Names& names, std::string_view name) {
    return std::find(names.begin(), names.end(), name) != names.end();
}

bool is_variable(std::string_view name) {
    auto is_letter = [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
    };
    return !name.empty() && is_letter(name.front()) &&
           std::all_of(name.begin(), name.end(),
                       [&](char c) { return is_letter(c) || (c >= '0' && c <= '9'); });
}

std::string_view without_quotes(std::string_view value) {
    for (char quote : {'"', '\''})
        if (value.size() >= 2 && value.front() == quote && value.back() == quote)
            return value.substr(1, value.size() - 2);
    return value;
}

// For between double quotes, where the shell still replaces variables: quotes of the value's own
// are escaped, unless they are already or stand in a command whose output is to be taken.
std::string for_double_quotes(std::string_view value) {
    std::string text;
    unsigned commands = 0;
    for (std::size_t i = 0; i < value.size(); ++i) {
        auto rest = value.substr(i);
        if (rest.starts_with('\\')) {
            text += '\\';
            text += rest.size() > 1 ? value[++i] : '\\';
            continue;
        }
        if (rest.starts_with("$("))
            ++commands;
        else if (rest.starts_with(')') && commands > 0)
            --commands;
        else if (rest.starts_with('"') && commands == 0)
            text += '\\';
        text += value[i];
    }
    return text;
}

void set(Settings& settings, std::string_view key, std::string value) {
    auto found = std::find_if(settings.begin(), settings.end(),
                              [key](const auto& setting) { return setting.first == key; });
    if (found == settings.end())
        settings.emplace_back(key, std::move(value));
    else
        found->second = std::move(value);
}

// The sections as they stand in the file. check takes a # for a comment wherever it is.
Result<Config> read_sections(std::string_view text) {
    Config config;
    std::size_t number = 0;
    for (auto line : split_lines(text)) {
        ++number;
        line = trim(line.substr(0, line.find('#')));
        if (line.empty())
            continue;
        if (line.starts_with('[') && line.ends_with(']')) {
            auto name = std::string(trim(line.substr(1, line.size() - 2)));
            for (const auto& section : config.sections)
                if (section.name == name || section.name.empty())
                    return fail(
                        Code::InvalidArgument,
                        section.name.empty()
                            ? fmt::format("line {}: settings stand before the first section",
                                          number)
                            : fmt::format("line {}: there are two sections {}", number, name));
            config.sections.push_back({.name = std::move(name)});
            continue;
        }
        auto words = line.starts_with("export ") ? trim(line.substr(7)) : line;
        auto equals = words.find('=');
        auto key = trim(words.substr(0, equals));
        if (equals == std::string_view::npos || !is_variable(key))
            return fail(Code::InvalidArgument,
                        fmt::format("line {} is neither a section nor NAME=value: {}", number,
                                    printable(line)));
        if (config.sections.empty())
            config.sections.emplace_back();
        auto& section = config.sections.back();
        if (is_one_of(ours, key))
            config.dropped.push_back(section.name.empty()
                                         ? std::string(key)
                                         : fmt::format("[{}] {}", section.name, key));
        else
            set(section.settings, key, std::string(without_quotes(trim(words.substr(equals + 1)))));
    }
    return config;
}

// What a section has with what the ones before it leave to it.
Section inherit(const Section& before, const Section& section) {
    Section whole{.name = section.name};
    auto fstype = section.get("FSTYP");
    bool same = fstype.empty() || fstype == before.get("FSTYP");
    for (const auto& [key, value] : before.settings)
        if (same || !is_one_of(of_one_fstype, key))
            whole.settings.emplace_back(key, value);
    for (const auto& [key, value] : section.settings)
        set(whole.settings, key, value);
    return whole;
}

} // namespace

std::string Section::get(std::string_view key) const {
    for (const auto& setting : settings)
        if (setting.first == key)
            return setting.second;
    return {};
}

Result<Config> parse_config(std::string_view text, const std::vector<std::string>& wanted) {
    SLIPWAY_TRY(auto config, read_sections(text));
    if (config.sections.empty())
        config.sections.emplace_back();
    for (const auto& name : wanted)
        if (std::none_of(config.sections.begin(), config.sections.end(),
                         [&name](const auto& section) { return section.name == name; }))
            return fail(Code::NotFound, fmt::format("there is no section {}", name));
    std::vector<Section> taken;
    Section before;
    for (std::size_t i = 0; i < config.sections.size(); ++i) {
        const auto& section = config.sections[i];
        bool is_wanted = wanted.empty() || is_one_of(wanted, section.name);
        if (i > 0 && !is_wanted)
            continue;
        before = inherit(before, section);
        if (is_wanted)
            taken.push_back(before);
    }
    config.sections = std::move(taken);
    return config;
}

std::string render_shell(const Settings& settings) {
    std::string text;
    for (const auto& [key, value] : settings)
        text += fmt::format("export {}=\"{}\"\n", key, for_double_quotes(value));
    return text;
}

} // namespace slipway::fstests
