// SPDX-License-Identifier: Apache-2.0
#include "guest/boot_files.hpp"

#include <algorithm>
#include <functional>

#include "base/strings.hpp"
#include "guest/boot_entries.hpp"
#include "guest/grub_cfg.hpp"
#include "guest/grub_env.hpp"
#include "guest/shell_config.hpp"

namespace slipway::guest {
namespace {

using Sites = std::vector<ArgumentSite>;

InitramfsUse with_or_without(bool has) {
    return has ? InitramfsUse::With : InitramfsUse::Without;
}

// Calls `visit` with each line and its offset.
void each_line(std::string_view text,
               const std::function<void(std::string_view, std::size_t)>& visit) {
    for (std::size_t at = 0; at < text.size();) {
        auto end = std::min(text.find('\n', at), text.size());
        visit(text.substr(at, end - at), at);
        at = end + 1;
    }
}

// Red Hat's grub.cfg carries a copy of the command line: set kernelopts="root=… ro".
void add_kernelopts(std::string_view line, std::size_t offset, Sites& sites) {
    auto start = std::min(line.find_first_not_of(" \t"), line.size());
    constexpr std::string_view set = "set kernelopts=";
    if (!line.substr(start).starts_with(set))
        return;
    auto begin = start + set.size();
    auto end = line.find_last_not_of(" \t\r") + 1;
    if (end > begin + 1 && line[begin] == '"' && line[end - 1] == '"') {
        ++begin;
        --end;
    }
    sites.push_back(
        {.begin = offset + begin, .end = offset + end, .initramfs = InitramfsUse::With});
}

Sites sites_of_grub_config(std::string_view text) {
    Sites sites;
    for (const auto& kernel : parse_grub_kernels(text))
        sites.push_back({.begin = kernel.arguments_begin,
                         .end = kernel.arguments_end,
                         .initramfs = with_or_without(!kernel.initrds.empty())});
    each_line(text, [&](std::string_view line, std::size_t offset) {
        add_kernelopts(line, offset, sites);
    });
    return sites;
}

// Debian's update-grub of GRUB legacy keeps its defaults in comments: "# kopt=root=/dev/sda1 ro".
Sites sites_of_grub_legacy(std::string_view text) {
    auto sites = sites_of_grub_config(text);
    each_line(text, [&](std::string_view line, std::size_t offset) {
        constexpr std::string_view kopt = "# kopt=";
        if (line.starts_with(kopt))
            sites.push_back({.begin = offset + kopt.size(),
                             .end = offset + line.size(),
                             .read_at_boot = false});
    });
    return sites;
}

Sites sites_of_bls_entry(std::string_view text) {
    Sites sites;
    auto initramfs = with_or_without(!parse_boot_entry(text).initramfs.empty());
    each_line(text, [&](std::string_view line, std::size_t offset) {
        auto words = split_words(line);
        if (words.size() > 1 && words[0] == "options")
            sites.push_back(
                {.begin = offset + static_cast<std::size_t>(words[1].data() - line.data()),
                 .end = offset + line.size(),
                 .initramfs = initramfs});
    });
    return sites;
}

Sites sites_of_grub_env(std::string_view text) {
    Sites sites;
    for (const auto& variable : parse_grub_env(text))
        if (variable.name == "kernelopts")
            sites.push_back(
                {.begin = variable.begin, .end = variable.end, .initramfs = InitramfsUse::With});
    return sites;
}

Sites sites_of_command_line(std::string_view text) {
    Sites sites;
    each_line(text, [&](std::string_view line, std::size_t offset) {
        if (!trim(line).starts_with('#'))
            sites.push_back({.begin = offset, .end = offset + line.size(), .read_at_boot = false});
    });
    return sites;
}

// APPEND stands for each label; its initrd= argument or an INITRD line names the initramfs.
Sites sites_of_extlinux(std::string_view text) {
    Sites sites;
    bool has_initrd_line = to_lower(text).find("initrd") != std::string::npos;
    each_line(text, [&](std::string_view line, std::size_t offset) {
        auto words = split_words(line);
        if (words.size() < 2 || to_lower(words[0]) != "append")
            return;
        sites.push_back({.begin = offset + static_cast<std::size_t>(words[1].data() - line.data()),
                         .end = offset + line.size(),
                         .initramfs = with_or_without(has_initrd_line)});
    });
    return sites;
}

// Assignments that hold a command line ("") or a bare device (the argument it stands for).
using Meaning = std::function<const char*(std::string_view)>;

Sites sites_of_shell(std::string_view text, const Meaning& meaning) {
    Sites sites;
    for (const auto& assignment : parse_shell_assignments(text))
        if (const auto* bare_key = meaning(assignment.name); bare_key != nullptr)
            sites.push_back({.begin = assignment.begin,
                             .end = assignment.end,
                             .bare_key = bare_key,
                             .read_at_boot = false});
    return sites;
}

const char* meaning_in_grub_defaults(std::string_view name) {
    return name.starts_with("GRUB_CMDLINE_") ? "" : nullptr;
}

const char* meaning_in_extlinux_defaults(std::string_view name) {
    if (name == "root")
        return "root";
    return name == "default_kernel_opts" || name == "EXTLINUX_ROOT" || name == "EXTLINUX_PARAMETERS"
               ? ""
               : nullptr;
}

const char* meaning_in_initramfs_tools(std::string_view name) {
    return name == "RESUME" ? "resume" : nullptr;
}

const char* meaning_in_dracut(std::string_view name) {
    return name == "kernel_cmdline" ? "" : nullptr;
}

} // namespace

BootFileKind kind_of_boot_file(std::string_view path) {
    auto name = basename_of(path);
    auto directory = dirname_of(path);
    for (const auto& place : boot_file_places)
        if (path == place.path)
            return place.kind;
    for (const auto& place : boot_file_directories)
        if (directory == place.path && name.ends_with(place.ending))
            return place.kind;
    // An ESP may be mounted anywhere.
    if (directory.ends_with("/loader/entries") && name.ends_with(".conf"))
        return BootFileKind::BlsEntry;
    if (name == "grub.cfg")
        return BootFileKind::GrubConfig;
    if (name == "menu.lst" || name == "grub.conf")
        return BootFileKind::GrubLegacy;
    if (name == "grubenv")
        return BootFileKind::GrubEnvironment;
    if (name == "extlinux.conf" || name == "syslinux.cfg")
        return BootFileKind::Extlinux;
    return BootFileKind::None;
}

BootFileKind kind_of_initramfs_file(std::string_view path) {
    auto directory = dirname_of(path);
    if (directory == "conf/conf.d")
        return BootFileKind::InitramfsTools;
    if (path == "etc/cmdline" || (directory == "etc/cmdline.d" && path.ends_with(".conf")))
        return BootFileKind::KernelCommandLine;
    return BootFileKind::None;
}

DeviceTable device_table_at(std::string_view path) {
    // cryptsetup-initramfs of Debian; dracut and mkinitcpio.
    if (path == "cryptroot/crypttab" || path == "etc/crypttab")
        return DeviceTable::Crypttab;
    if (path == "etc/mdadm/mdadm.conf" || path == "etc/mdadm.conf")
        return DeviceTable::MdadmConfig;
    return DeviceTable::None;
}

std::vector<ArgumentSite> argument_sites(BootFileKind kind, std::string_view text) {
    switch (kind) {
    case BootFileKind::GrubConfig:
        return sites_of_grub_config(text);
    case BootFileKind::GrubSnippet: {
        auto sites = sites_of_grub_config(text);
        for (auto& site : sites)
            site.read_at_boot = false;
        return sites;
    }
    case BootFileKind::GrubLegacy:
        return sites_of_grub_legacy(text);
    case BootFileKind::GrubDefaults:
        return sites_of_shell(text, meaning_in_grub_defaults);
    case BootFileKind::GrubEnvironment:
        return sites_of_grub_env(text);
    case BootFileKind::BlsEntry:
        return sites_of_bls_entry(text);
    case BootFileKind::KernelCommandLine:
        return sites_of_command_line(text);
    case BootFileKind::Extlinux:
        return sites_of_extlinux(text);
    case BootFileKind::ExtlinuxDefaults:
        return sites_of_shell(text, meaning_in_extlinux_defaults);
    case BootFileKind::InitramfsTools:
        return sites_of_shell(text, meaning_in_initramfs_tools);
    case BootFileKind::Dracut:
        return sites_of_shell(text, meaning_in_dracut);
    case BootFileKind::None:
        break;
    }
    return {};
}

} // namespace slipway::guest
