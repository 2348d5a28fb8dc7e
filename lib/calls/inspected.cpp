// SPDX-License-Identifier: Apache-2.0
#include "calls/inspected.hpp"

#include <algorithm>
#include <array>
#include <optional>
#include <string_view>

#include <fmt/format.h>

#include "base/strings.hpp"
#include "calls/guest_view.hpp"
#include "guest/folded_path.hpp"

namespace slipway::calls {
namespace {

constexpr std::string_view unknown = "unknown";

struct Word {
    std::string_view ours;
    std::string_view theirs;
};
using Words = std::span<const Word>;

// IDs of os-release(5), and those of guest/release_files.
constexpr std::array distros{
    Word{"alpine", "alpinelinux"},
    Word{"altlinux", "altlinux"},
    Word{"arch", "archlinux"},
    Word{"buildroot", "buildroot"},
    Word{"centos", "centos"},
    Word{"cirros", "cirros"},
    Word{"coreos", "coreos"},
    Word{"debian", "debian"},
    Word{"fedora", "fedora"},
    Word{"freebsd", "freebsd"},
    Word{"frugalware", "frugalware"},
    Word{"gentoo", "gentoo"},
    Word{"kali", "kalilinux"},
    Word{"kylin", "kylin"},
    Word{"linuxmint", "linuxmint"},
    Word{"mageia", "mageia"},
    Word{"mandriva", "mandriva"},
    Word{"meego", "meego"},
    Word{"neokylin", "neokylin"},
    Word{"netbsd", "netbsd"},
    Word{"ol", "oraclelinux"},
    Word{"openbsd", "openbsd"},
    Word{"openmandriva", "openmandriva"},
    Word{"opensuse", "opensuse"},
    Word{"opensuse-leap", "opensuse"},
    Word{"opensuse-tumbleweed", "opensuse"},
    Word{"pardus", "pardus"},
    Word{"pld", "pldlinux"},
    Word{"rhel", "rhel"},
    Word{"rocky", "rocky"},
    Word{"scientific", "scientificlinux"},
    Word{"slackware", "slackware"},
    Word{"sled", "sles"},
    Word{"sles", "sles"},
    Word{"ttylinux", "ttylinux"},
    Word{"ubuntu", "ubuntu"},
    Word{"void", "voidlinux"},
};
// Of those that have no word of their own.
constexpr std::array families{Word{"rhel", "redhat-based"}, Word{"fedora", "redhat-based"},
                              Word{"suse", "suse-based"}};
constexpr std::array managers{
    Word{"apt", "apt"},        Word{"dnf", "dnf"},   Word{"yum", "yum"},
    Word{"zypper", "zypper"},  Word{"apk", "apk"},   Word{"pacman", "pacman"},
    Word{"emerge", "portage"}, Word{"xbps", "xbps"}, Word{"urpmi", "urpmi"},
    Word{"microdnf", "dnf"},   Word{"tdnf", "dnf"},  Word{"pkgin", "pkgsrc"},
};
// libguestfs goes by the distribution, also where the program is missing.
constexpr std::array managers_of_formats{
    Word{"deb", "apt"},        Word{"apk", "apk"},   Word{"pacman", "pacman"},
    Word{"ebuild", "portage"}, Word{"xbps", "xbps"},
};
constexpr std::array formats{
    Word{"deb", "deb"},       Word{"rpm", "rpm"},       Word{"apk", "apk"},
    Word{"pacman", "pacman"}, Word{"ebuild", "ebuild"}, Word{"xbps", "xbps"},
    Word{"pkgsrc", "pkgsrc"},
};

std::string_view look_up(Words words, std::string_view ours) {
    const auto* found = std::find_if(words.data(), words.data() + words.size(),
                                     [&](const Word& word) { return word.ours == ours; });
    return found == words.data() + words.size() ? std::string_view{} : found->theirs;
}

std::string_view manager_of(const report::OperatingSystem& os) {
    auto known = look_up(managers, os.package_manager);
    return known.empty() ? look_up(managers_of_formats, os.package_format) : known;
}

std::string or_unknown(std::string_view text) {
    return std::string(text.empty() ? unknown : text);
}

std::string distro_of(const report::OperatingSystem& os) {
    if (os.type == "windows")
        return "windows";
    auto known = look_up(distros, os.distro);
    for (const auto& like : os.like)
        if (known.empty())
            known = look_up(families, like);
    return or_unknown(known);
}

struct Numbers {
    std::uint64_t major, minor;
};
std::optional<Numbers> leading_numbers(std::string_view text) {
    auto take = [&]() -> std::optional<std::uint64_t> {
        auto end = std::min(text.find_first_not_of("0123456789"), text.size());
        auto number = parse_number(text.substr(0, end));
        text.remove_prefix(end);
        return number;
    };
    auto major = take();
    if (!major)
        return std::nullopt;
    if (!text.starts_with('.'))
        return Numbers{*major, 0};
    text.remove_prefix(1);
    return Numbers{*major, take().value_or(0)};
}

// Its os-release says the major version only.
void take_debian_version(const guest::GuestFiles& files, Inspected& system) {
    auto text = files.read("/etc/debian_version", 4096);
    auto numbers = text ? leading_numbers(trim(*text)) : std::nullopt;
    if (!numbers)
        return;
    system.product = printable(trim(text->substr(0, text->find('\n'))));
    system.major_version = numbers->major;
    system.minor_version = numbers->minor;
}

/// "subvol=/@home" of a line's options, without the slash; "" without.
std::string_view subvolume_in(std::string_view options) {
    for (auto option : split(options, ','))
        if (option.starts_with("subvol=")) {
            option.remove_prefix(option.find('=') + 1);
            while (option.starts_with('/'))
                option.remove_prefix(1);
            return option;
        }
    return {};
}

std::string device_of(const report::FstabEntry& entry, const report::Inventory& inventory) {
    const auto* volume = inventory.find_volume(entry.volume);
    auto subvolume = subvolume_in(entry.options);
    if (volume != nullptr && volume->type == "btrfs" && !subvolume.empty())
        return fmt::format("btrfsvol:{}/{}", api_name(entry.volume), subvolume);
    return api_name(entry.volume);
}

// The last line of fstab comes first.
void take_filesystems(const report::Inventory& inventory, Inspected& system) {
    auto add = [&](const std::string& path, const std::string& device) {
        auto& filesystems = system.filesystems;
        if (std::find(filesystems.begin(), filesystems.end(), device) == filesystems.end())
            filesystems.push_back(device);
        auto known = [&](const auto& each) { return each.first == path; };
        auto& places = system.mountpoints;
        if (path.starts_with('/') && std::none_of(places.begin(), places.end(), known))
            places.emplace_back(path, device);
    };
    const auto& lines = inventory.fstab;
    bool has_root = false;
    for (auto entry = lines.rbegin(); entry != lines.rend(); ++entry) {
        if (entry->volume.empty())
            continue;
        bool is_root = entry->mountpoint == "/";
        has_root = has_root || is_root;
        add(entry->type == "swap" ? "" : entry->mountpoint,
            is_root ? system.root : device_of(*entry, inventory));
    }
    if (!has_root)
        add("/", system.root);
}

void take_hives(const guest::GuestFiles& files, Inspected& system) {
    auto find = [&](std::string_view name) {
        auto path = fmt::format("{}/System32/config/{}", system.os.windows->system_root, name);
        return guest::find_folded(files, path).value_or("");
    };
    system.software_hive = find("SOFTWARE");
    system.system_hive = find("SYSTEM");
}

struct WindowsName {
    std::uint64_t major, minor;
    std::string_view in_product; ///< of the product's name
    std::string_view server;
    std::string_view client;
};
constexpr std::array windows_names{
    WindowsName{5, 1, "", "", "winxp"},
    WindowsName{5, 2, "XP", "", "winxp"},
    WindowsName{5, 2, "R2", "win2k3r2", "win2k3r2"},
    WindowsName{5, 2, "", "win2k3", "win2k3"},
    WindowsName{6, 0, "", "win2k8", "winvista"},
    WindowsName{6, 1, "", "win2k8r2", "win7"},
    WindowsName{6, 2, "", "win2k12", "win8"},
    WindowsName{6, 3, "", "win2k12r2", "win8.1"},
    WindowsName{10, 0, "2025", "win2k25", ""},
    WindowsName{10, 0, "2022", "win2k22", ""},
    WindowsName{10, 0, "2019", "win2k19", ""},
    WindowsName{10, 0, "Windows 11", "", "win11"},
    WindowsName{10, 0, "", "win2k16", "win10"},
};

std::string_view windows_osinfo(const Inspected& system) {
    bool is_server = system.os.variant.find("Server") != std::string::npos;
    for (const auto& name : windows_names) {
        auto found = is_server ? name.server : name.client;
        if (name.major == system.major_version && name.minor == system.minor_version &&
            !found.empty() && system.product.find(name.in_product) != std::string::npos)
            return found;
    }
    return {};
}

std::string linux_osinfo(const Inspected& system) {
    const auto& distro = system.distro;
    auto major = system.major_version;
    auto minor = system.minor_version;
    auto is = [&](std::initializer_list<std::string_view> names) {
        return std::find(names.begin(), names.end(), distro) != names.end();
    };
    if (is({"archlinux", "gentoo", "voidlinux"}))
        return distro;
    if (major == 0 || is({"unknown", "redhat-based", "suse-based"}))
        return {};
    if (is({"debian", "fedora", "mageia"}) || (is({"centos", "rocky"}) && major >= 8))
        return fmt::format("{}{}", distro, major);
    if (distro == "centos" && major == 7)
        return "centos7.0";
    if (distro == "ubuntu")
        return fmt::format("{}{}.{:02}", distro, major, minor);
    if (distro == "sles")
        return minor == 0 ? fmt::format("{}{}", distro, major)
                          : fmt::format("{}{}sp{}", distro, major, minor);
    return fmt::format("{}{}.{}", distro, major, minor);
}

} // namespace

std::string osinfo_of(const Inspected& system) {
    return or_unknown(system.os.type == "windows" ? std::string(windows_osinfo(system))
                                                  : linux_osinfo(system));
}

Inspected describe_system(const report::Inventory& inventory, const guest::GuestFiles& files) {
    const auto& os = inventory.os;
    Inspected system{.root = api_name(inventory.root),
                     .os = os,
                     .distro = distro_of(os),
                     .product = or_unknown(os.product),
                     .osinfo = "",
                     .package_format = or_unknown(look_up(formats, os.package_format)),
                     .package_management = or_unknown(manager_of(os)),
                     .major_version = os.major_version,
                     .minor_version = os.minor_version,
                     .mountpoints = {},
                     .filesystems = {},
                     .software_hive = {},
                     .system_hive = {}};
    if (system.distro == "debian")
        take_debian_version(files, system);
    if (os.windows)
        take_hives(files, system);
    take_filesystems(inventory, system);
    system.osinfo = osinfo_of(system);
    return system;
}

} // namespace slipway::calls
