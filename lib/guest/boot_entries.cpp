// SPDX-License-Identifier: Apache-2.0
#include "guest/boot_entries.hpp"

#include "base/strings.hpp"
#include "guest/boot_files.hpp"

namespace slipway::guest {
namespace {
constexpr std::size_t max_entries = 256;
} // namespace

BootEntry parse_boot_entry(std::string_view text) {
    BootEntry entry;
    for (auto raw : split_lines(text)) {
        auto line = trim(raw);
        auto blank = line.find_first_of(" \t");
        if (line.starts_with('#') || blank == std::string_view::npos)
            continue;
        auto key = line.substr(0, blank);
        auto value = trim(line.substr(blank));
        if (key == "title")
            entry.title = value;
        else if (key == "version")
            entry.version = value;
        else if (key == "linux")
            entry.kernel = value;
        else if (key == "initrd")
            entry.initramfs.emplace_back(split_words(value).front());
        else if (key == "options")
            entry.options += (entry.options.empty() ? "" : " ") + std::string(value);
    }
    return entry;
}

std::vector<BootEntry> read_boot_entries(const GuestFiles& files) {
    std::vector<BootEntry> entries;
    for (const auto& place : boot_file_directories) {
        if (place.kind != BootFileKind::BlsEntry)
            continue;
        for (const auto& name : files.list(std::string(place.path))) {
            if (!name.ends_with(place.ending) || entries.size() >= max_entries)
                continue;
            auto path = std::string(place.path) + "/" + name;
            if (auto text = files.read(path)) {
                entries.push_back(parse_boot_entry(*text));
                entries.back().path = path;
            }
        }
    }
    return entries;
}

std::string boot_path_of(const GuestFiles& files, const std::string& path) {
    if (!path.starts_with('/'))
        return {};
    for (const std::string top : {"/boot", "/boot/efi", "/efi", ""})
        if (files.exists(top + path))
            return top + path;
    return {};
}

} // namespace slipway::guest
