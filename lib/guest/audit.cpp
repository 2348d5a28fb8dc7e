// SPDX-License-Identifier: Apache-2.0
#include "guest/audit.hpp"

#include <algorithm>
#include <array>
#include <map>
#include <set>

#include <fmt/format.h>

#include "base/strings.hpp"
#include "guest/boot_arguments.hpp"
#include "mount/fstab.hpp"
#include "mount/fstab_options.hpp"
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
// Whoever has more of them learns nothing from the rest.
constexpr std::size_t max_fstab_lines = 1000;

const std::string& text_of(const Inventory& inventory, const std::string& path) {
    static const std::string absent;
    const auto* text = inventory.file(path);
    return text == nullptr ? absent : *text;
}

std::string where_of(const report::FstabEntry& entry) {
    return fmt::format("{} line {}", fstab_path, entry.line_no);
}

bool is_hypervisor_share(const report::FstabEntry& entry) {
    return entry.type == "vmhgfs" || entry.type == "fuse.vmhgfs-fuse" || entry.type == "vboxsf" ||
           entry.spec.starts_with(".host:");
}

Severity severity_if_missing(const report::FstabEntry& entry) {
    auto options = mount::parse_fstab_options(entry.options, entry.type);
    if (!options.automatic || options.optional)
        return Severity::Info;
    // systemd and openrc go on without a swap area, after waiting for it.
    return entry.type == "swap" ? Severity::Warning : Severity::Blocker;
}

void audit_entry(const report::FstabEntry& entry, const mount::GuestDevices& devices,
                 Inventory& inventory) {
    auto where = where_of(entry);
    if (is_hypervisor_share(entry)) {
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
                    {"fstab-unresolved", severity_if_missing(entry), where,
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

void audit_resume_of_initramfs_tools(Inventory& inventory) {
    for (const auto& [path, text] : inventory.files) {
        if (!path.starts_with("/etc/initramfs-tools/"))
            continue;
        for (auto line : split_lines(text)) {
            constexpr std::string_view resume = "RESUME=";
            if (!line.starts_with(resume) || !mount::is_bus_dependent(line.substr(resume.size())))
                continue;
            add_finding(inventory,
                        {"resume-unstable", Severity::Warning, path,
                         fmt::format("{} names {}, {}", path, line.substr(resume.size()), moves),
                         repair_remedy});
            break;
        }
    }
}

struct StaleFile {
    std::string_view id;
    std::string_view path;
    std::string_view text;
};
constexpr std::array stale_files{
    StaleFile{"lvm-devices-file", "/etc/lvm/devices/system.devices",
              "pins LVM to the serial numbers of the old machine's disks"},
    StaleFile{"lvm-cache", "/etc/lvm/cache/.cache", "is a cache of the old machine's devices"},
    StaleFile{"blkid-cache", "/etc/blkid/blkid.tab", "is a cache of the old machine's devices"},
    StaleFile{"blkid-cache", "/etc/blkid.tab", "is a cache of the old machine's devices"},
};

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

mount::GuestDevices devices_of(const Inventory& inventory) {
    auto lines = Fstab::parse(text_of(inventory, fstab_path)).lines();
    auto root = std::find_if(lines.begin(), lines.end(),
                             [](const auto& line) { return line.mountpoint == "/"; });
    return {inventory.volumes, inventory.find_volume(inventory.root),
            root == lines.end() ? "" : root->spec};
}

std::vector<report::FstabEntry> read_fstab(const Inventory& inventory) {
    std::vector<report::FstabEntry> entries;
    auto devices = devices_of(inventory);
    auto fstab = Fstab::parse(text_of(inventory, fstab_path));
    for (const auto& line : fstab.lines()) {
        if (entries.size() == max_fstab_lines)
            break;
        auto found = devices.resolve(line.spec, line.type);
        entries.push_back({.line_no = line.line_no,
                           .spec = line.spec,
                           .mountpoint = line.mountpoint,
                           .type = line.type,
                           .options = line.options,
                           .volume = found.volume == nullptr ? "" : found.volume->name,
                           .unstable = mount::is_bus_dependent(line.spec)});
    }
    return entries;
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
        std::set<std::string> told;
        for (const auto& argument : find_boot_arguments(path, text))
            if (told.size() < 16 && told.insert(argument.name + "=" + argument.value).second)
                audit_argument(path, argument, devices, inventory);
    }
    audit_resume_of_initramfs_tools(inventory);
}

void audit_stale_files(Inventory& inventory) {
    for (const auto* path : {"/boot/grub/device.map", "/boot/grub2/device.map"})
        audit_device_map(path, inventory);
    for (const auto& stale : stale_files)
        if (std::string path(stale.path); inventory.file(path) != nullptr)
            add_finding(inventory, {std::string(stale.id), Severity::Warning, path,
                                    fmt::format("{} {}", path, stale.text), repair_remedy});
}

void audit_volumes(Inventory& inventory) {
    audit_duplicates(inventory);
    for (const auto& volume : inventory.volumes) {
        if (auto container = mount::container_of_type(volume.type); !container.empty())
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
