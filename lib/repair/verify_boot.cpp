// SPDX-License-Identifier: Apache-2.0
#include "repair/verify_boot.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "base/strings.hpp"
#include "guest/boot_arguments.hpp"
#include "guest/boot_files.hpp"
#include "mount/fstab.hpp"
#include "mount/ladder.hpp"
#include "mount/resolve.hpp"
#include "repair/device_names.hpp"

namespace slipway::repair {
namespace {

using report::Findings;
using report::Inventory;
using report::Severity;

constexpr std::size_t max_boot_file = 4 << 20;

void read_into(BootFiles& files, const sys::RootDir& root, const std::string& path) {
    auto guest_path = sys::GuestPath::parse(path);
    if (!guest_path)
        return;
    if (auto text = root.read(*guest_path, max_boot_file))
        files.emplace(path, std::move(*text));
}

bool is_device_character(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::string_view("/_.:+-").find(c) != std::string_view::npos;
}

// Every /dev/… path of a line, wherever it stands in it.
std::vector<std::string_view> device_paths(std::string_view line) {
    std::vector<std::string_view> paths;
    constexpr std::string_view dev = "/dev/";
    for (std::size_t at = 0; (at = line.find(dev, at)) != std::string_view::npos;) {
        auto end = at;
        while (end < line.size() && is_device_character(line[end]))
            ++end;
        paths.push_back(line.substr(at, end - at));
        at = end;
    }
    return paths;
}

bool was_named_before(const Inventory& before, std::string_view text) {
    return std::any_of(before.files.begin(), before.files.end(), [&](const auto& file) {
        return file.second.find(text) != std::string::npos;
    });
}

// A mapping that is neither a volume of the guest nor named anywhere by it came from a host.
bool is_foreign_mapping(const Inventory& before, std::string_view device) {
    constexpr std::string_view mapper = "/dev/mapper/";
    if (!device.starts_with(mapper) || device == "/dev/mapper/control")
        return false;
    auto volume = mount::volume_of_mapper_name(device.substr(mapper.size()));
    return before.find_volume(volume) == nullptr && !was_named_before(before, device);
}

// Inside LVM, LUKS and the like may be filesystems that this engine did not see.
bool has_closed_container(const Inventory& inventory) {
    return std::any_of(inventory.volumes.begin(), inventory.volumes.end(), [](const auto& volume) {
        return !mount::container_of_type(volume.type).empty();
    });
}

bool is_identifier(std::string_view device) {
    for (std::string_view prefix :
         {"UUID=", "PARTUUID=", "LABEL=", "PARTLABEL=", "/dev/disk/by-uuid/",
          "/dev/disk/by-partuuid/", "/dev/disk/by-label/", "/dev/disk/by-partlabel/"})
        if (device.starts_with(prefix))
            return true;
    return false;
}

Findings check_argument(const std::string& where, std::string_view key, std::string_view device,
                        const Inventory& before, Severity severity) {
    if (is_host_device(device)) // told by check_host_names
        return {};
    if (mount::is_bus_dependent(device) || is_device_number(device))
        return {{"unstable-kernel-argument", severity, where,
                 fmt::format("{}={} may not exist after the move", key, device),
                 "name the volume by its UUID"}};
    // GRUB's PARTUUID=…/PARTNROFF=1 and variables are not followed.
    if (!is_identifier(device) || device.find_first_of("$,") != std::string_view::npos ||
        device.find("/PARTNROFF") != std::string_view::npos)
        return {};
    auto found = mount::resolve_device(device, "", before.volumes);
    if (found.volume == nullptr)
        return {{"kernel-argument-leads-nowhere",
                 has_closed_container(before) ? Severity::Info : severity, where,
                 fmt::format("no volume that was seen answers to {}={}", key, device),
                 "name a volume of the guest by its UUID"}};
    return {};
}

} // namespace

BootFiles read_boot_files(const sys::RootDir& root, const Inventory& before) {
    BootFiles files;
    for (const auto& [path, text] : before.files)
        if (guest::kind_of_boot_file(path) != guest::BootFileKind::None)
            read_into(files, root, path);
    if (!before.boot_loader.grub_config.empty())
        read_into(files, root, before.boot_loader.grub_config);
    for (const auto& place : guest::boot_file_directories) {
        if (place.kind != guest::BootFileKind::BlsEntry)
            continue;
        auto entries = root.list(sys::GuestPath(place.path));
        for (const auto& entry : entries ? *entries : std::vector<sys::DirEntry>{})
            if (entry.name.ends_with(place.ending))
                read_into(files, root, fmt::format("{}/{}", place.path, entry.name));
    }
    return files;
}

Findings check_host_names(std::string_view path, std::string_view text, const Inventory& before) {
    Findings findings;
    int line_no = 0;
    for (auto line : split_lines(text)) {
        ++line_no;
        if (trim(line).starts_with('#'))
            continue;
        auto where = fmt::format("{} line {}", path, line_no);
        for (auto device : device_paths(line))
            if (is_host_device(device) || is_foreign_mapping(before, device))
                findings.push_back({"host-device-in-boot-file", Severity::Blocker, where,
                                    fmt::format("names {}, a device of a host", device),
                                    "name the guest's volume by its UUID"});
        if (line.find("osprober-") != std::string_view::npos && !was_named_before(before, line))
            findings.push_back(
                {"foreign-menu-entry", Severity::Error, where,
                 "an entry that os-prober made during the repair",
                 "set GRUB_DISABLE_OS_PROBER=true in /etc/default/grub and regenerate"});
    }
    return findings;
}

Findings check_arguments(guest::BootFileKind kind, std::string_view name, std::string_view text,
                         const Inventory& before) {
    Findings findings;
    bool is_first = true; // of a menu, whose other entries may be other systems
    for (const auto& argument : guest::find_boot_arguments(kind, text)) {
        bool is_root = argument.name == "root" && argument.read_at_boot;
        auto severity = !is_root                                              ? Severity::Warning
                        : is_first || kind != guest::BootFileKind::GrubConfig ? Severity::Blocker
                                                                              : Severity::Error;
        is_first = is_first && !is_root;
        auto where = fmt::format("{} line {}", name, argument.line_no);
        for (auto& finding : check_argument(where, argument.name, argument.value, before, severity))
            findings.push_back(std::move(finding));
    }
    return findings;
}

Findings verify_boot_files(const sys::RootDir& root, const Inventory& before) {
    auto files = read_boot_files(root, before);
    Findings all;
    auto add = [&](Findings&& some) {
        std::move(some.begin(), some.end(), std::back_inserter(all));
    };
    for (const auto& [path, text] : files) {
        add(check_host_names(path, text, before));
        add(check_arguments(guest::kind_of_boot_file(path), path, text, before));
    }
    add(check_menu(root, files, before));
    return all;
}

} // namespace slipway::repair
