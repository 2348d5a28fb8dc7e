// SPDX-License-Identifier: Apache-2.0
#include "guest/audit.hpp"

#include <algorithm>
#include <array>
#include <map>
#include <set>

#include <fmt/format.h>

#include "base/strings.hpp"
#include "guest/boot_arguments.hpp"
#include "guest/boot_files.hpp"
#include "guest/fstab.hpp"
#include "guest/stale_files.hpp"
#include "mount/fstab.hpp"
#include "mount/ladder.hpp"

namespace slipway::guest {
namespace {

using mount::Fstab;
using report::Finding;
using report::Inventory;
using report::Severity;
using report::Volume;

constexpr const char* fstab_path = "/etc/fstab";
constexpr const char* moves = "which will not exist after the move";

const std::string& text_of(const Inventory& inventory, const std::string& path) {
    static const std::string absent;
    const auto* text = inventory.file(path);
    return text == nullptr ? absent : *text;
}

std::string where_of(const report::FstabEntry& entry) {
    return fmt::format("{} line {}", fstab_path, entry.line_no);
}

void audit_entry(const report::FstabEntry& entry, const mount::GuestDevices& devices,
                 Inventory& inventory) {
    auto where = where_of(entry);
    if (is_hypervisor_share(entry.spec, entry.type)) {
        add_finding(inventory, {"fstab-hypervisor-share", Severity::Warning, where,
                                fmt::format("{} mounts {} from the old hypervisor, {}", where,
                                            entry.mountpoint, moves),
                                repair_remedy});
        return;
    }
    if (entry.unstable)
        add_finding(inventory,
                    {"fstab-unstable-name", Severity::Warning, where,
                     fmt::format("{} names {}, {}", where, entry.spec, moves), repair_remedy});
    auto found = devices.resolve(entry.spec, entry.type);
    if (!found.is_device || found.removable)
        return;
    if (found.ambiguous)
        add_finding(inventory,
                    {"fstab-ambiguous-name", Severity::Warning, where,
                     fmt::format("{} names {}, and it cannot be told which volume that is", where,
                                 entry.spec)});
    else if (found.volume == nullptr)
        add_finding(inventory,
                    {"fstab-unresolved", severity_if_missing(entry.type, entry.options), where,
                     fmt::format("{} names {}, which no disk of the image has", where, entry.spec),
                     "give all disks of the guest, or correct the line"});
}

/// A file and what its root= or resume= says, told once however many menu entries repeat it.
void audit_argument(const std::string& path, const BootArgument& argument,
                    const mount::GuestDevices& devices, Inventory& inventory) {
    bool is_root = argument.name == "root";
    auto say = [&](std::string id, Severity severity, std::string_view reason, const char* remedy) {
        Finding finding{std::move(id), severity, fmt::format("{} line {}", path, argument.line_no),
                        fmt::format("{} line {} gives the kernel {}={}, {}", path, argument.line_no,
                                    argument.name, argument.value, reason),
                        remedy};
        add_finding(inventory, std::move(finding));
    };
    if (mount::is_bus_dependent(argument.value)) {
        say(fmt::format("kernel-{}-unstable", argument.name),
            is_root ? Severity::Error : Severity::Warning, moves, repair_remedy);
        return;
    }
    auto found = devices.resolve(argument.value, "");
    if (found.is_device && found.volume == nullptr && !argument.value.starts_with("/dev/mapper/"))
        say(fmt::format("kernel-{}-unresolved", argument.name),
            is_root ? Severity::Blocker : Severity::Warning,
            is_root ? "which no disk of the image has"
                    : "which no disk of the image has, so the boot waits for it",
            "give all disks of the guest, or correct the argument");
}

void audit_resume_of_initramfs_tools(const std::string& path, const BootArgument& argument,
                                     Inventory& inventory) {
    if (mount::is_bus_dependent(argument.value))
        add_finding(inventory,
                    {"resume-unstable", Severity::Warning, path,
                     fmt::format("{} names {}, {}", path, argument.value, moves), repair_remedy});
}

void audit_device_map(const std::string& path, Inventory& inventory) {
    for (auto line : split_lines(text_of(inventory, path))) {
        auto words = split_words(line);
        if (words.size() == 2 && words[0].starts_with("(hd") && mount::is_bus_dependent(words[1])) {
            add_finding(inventory,
                        {"device-map-stale", Severity::Warning, path,
                         fmt::format("{} names {}, {}", path, words[1], moves), repair_remedy});
            return;
        }
    }
}

std::string id_of_container(std::string_view container) {
    return to_lower(container) + "-present";
}

void audit_duplicates(Inventory& inventory) {
    std::map<std::string, const Volume*> first;
    for (const auto& volume : inventory.volumes) {
        if (volume.uuid.empty() || volume.type == "linux_raid_member" ||
            volume.type == "zfs_member")
            continue;
        auto [known, is_new] = first.emplace(to_lower(volume.uuid), &volume);
        if (is_new)
            continue;
        bool btrfs = volume.type == "btrfs" && known->second->type == "btrfs";
        add_finding(
            inventory,
            {"duplicate-uuid", btrfs ? Severity::Info : Severity::Warning, volume.name,
             fmt::format("{} and {} carry the same UUID {}{}", known->second->name, volume.name,
                         volume.uuid, btrfs ? ": devices of one btrfs, or copies" : ""),
             btrfs ? "" : "leave out the disk that is a copy, or give it a new UUID"});
    }
}

} // namespace

void add_finding(Inventory& inventory, Finding finding) {
    bool known =
        std::any_of(inventory.findings.begin(), inventory.findings.end(), [&](const auto& each) {
            return each.id == finding.id && each.where == finding.where;
        });
    if (!known)
        inventory.findings.push_back(std::move(finding));
}

void audit_fstab(Inventory& inventory) {
    auto devices = devices_of(inventory);
    for (const auto& entry : inventory.fstab)
        audit_entry(entry, devices, inventory);
    auto malformed = Fstab::parse(text_of(inventory, fstab_path)).malformed();
    malformed.resize(std::min<std::size_t>(malformed.size(), 16));
    for (auto line_no : malformed) {
        auto where = fmt::format("{} line {}", fstab_path, line_no);
        add_finding(inventory, {"fstab-malformed", Severity::Warning, where,
                                fmt::format("{} makes no sense", where)});
    }
}

void audit_crypttab(Inventory& inventory) {
    int line_no = 0;
    for (auto line : split_lines(text_of(inventory, "/etc/crypttab"))) {
        ++line_no;
        auto words = split_words(line);
        if (words.size() < 2 || words[0].starts_with('#') || !mount::is_bus_dependent(words[1]))
            continue;
        auto where = fmt::format("/etc/crypttab line {}", line_no);
        add_finding(inventory,
                    {"crypttab-unstable-name", Severity::Warning, where,
                     fmt::format("{} names {}, {}", where, words[1], moves), repair_remedy});
    }
}

void audit_boot_arguments(Inventory& inventory) {
    auto devices = devices_of(inventory);
    for (const auto& [path, text] : inventory.files) {
        bool of_initramfs_tools = kind_of_boot_file(path) == BootFileKind::InitramfsTools;
        std::set<std::string> told;
        for (const auto& argument : find_boot_arguments(kind_of_boot_file(path), text)) {
            if (told.size() == 16 || !told.insert(argument.name + "=" + argument.value).second)
                continue;
            if (argument.read_at_boot)
                audit_argument(path, argument, devices, inventory);
            else if (of_initramfs_tools)
                audit_resume_of_initramfs_tools(path, argument, inventory);
        }
    }
}

void audit_stale_files(Inventory& inventory) {
    for (const auto& stale : stale_files)
        if (std::string path(stale.path); inventory.file(path) != nullptr) {
            if (path.ends_with("/device.map"))
                audit_device_map(path, inventory);
            else
                add_finding(inventory, {std::string(stale.finding), Severity::Warning, path,
                                        fmt::format("{}: {}", path, stale.reason), repair_remedy});
        }
}

void audit_volumes(Inventory& inventory) {
    audit_duplicates(inventory);
    for (const auto& volume : inventory.volumes) {
        if (auto container = mount::container_of_type(volume.type);
            !container.empty() && !inventory.is_opened(volume))
            add_finding(inventory, {id_of_container(container), Severity::Warning, volume.name,
                                    fmt::format("{} is {}, which this engine cannot look into",
                                                volume.name, container),
                                    std::string(mount::container_remedy)});
        if (volume.type == "swsuspend")
            add_finding(inventory, {"hibernated", Severity::Error, volume.name,
                                    fmt::format("{} holds the memory of a hibernated guest; "
                                                "started on other hardware it is lost, "
                                                "and filesystems that it had open may be damaged",
                                                volume.name),
                                    "start the guest on the old machine and shut it down"});
        if (volume.dirty)
            add_finding(inventory,
                        {"journal-dirty", Severity::Warning, volume.name,
                         fmt::format("{} was not unmounted cleanly; its journal waits for recovery",
                                     volume.name),
                         "shut the guest down before its disk is copied"});
    }
}

} // namespace slipway::guest
