// SPDX-License-Identifier: Apache-2.0
// Whether the boot menu leads to kernels and initramfs images that exist.
#include <algorithm>
#include <optional>

#include <fmt/format.h>

#include "base/strings.hpp"
#include "guest/boot_entries.hpp"
#include "guest/boot_files.hpp"
#include "guest/command_line.hpp"
#include "guest/grub_cfg.hpp"
#include "repair/judge_kernels.hpp"
#include "repair/verify_boot.hpp"

namespace slipway::repair {
namespace {

using report::Findings;
using report::Inventory;
using report::Severity;
using report::Volume;

/// One way to boot, of any kind of boot loader.
struct MenuEntry {
    std::string where;
    std::string title;
    std::string kernel;
    std::string arguments;
    std::vector<std::string> initrds;
    std::string search_uuid;
    bool from_menu = false; ///< stands in a file whose order is that of the menu
};

std::vector<MenuEntry> entries_of(const std::string& path, const std::string& text) {
    std::vector<MenuEntry> entries;
    auto kind = guest::kind_of_boot_file(path);
    if (kind == guest::BootFileKind::GrubConfig || kind == guest::BootFileKind::GrubLegacy)
        for (auto& kernel : guest::parse_grub_kernels(text))
            entries.push_back(
                {fmt::format("{} line {}", path, kernel.line_no), kernel.entry, kernel.image,
                 text.substr(kernel.arguments_begin, kernel.arguments_end - kernel.arguments_begin),
                 kernel.initrds, kernel.search_uuid, true});
    if (kind == guest::BootFileKind::BlsEntry)
        if (auto entry = guest::parse_boot_entry(text); !entry.kernel.empty())
            entries.push_back(
                {path, entry.title, entry.kernel, entry.options, entry.initramfs, ""});
    return entries;
}

/// Finds the files that a boot loader names; it counts paths from the top of a filesystem.
class BootPaths {
public:
    BootPaths(const sys::RootDir& root, const Inventory& inventory)
        : root_(root), inventory_(inventory) {}

    /// Where the filesystem of an entry is mounted here; nothing if it is not, or not known.
    [[nodiscard]] std::optional<std::string> mountpoint_for(const std::string& search_uuid) const {
        const auto* volume =
            search_uuid.empty() ? nullptr : inventory_.volume_with_uuid(search_uuid);
        if (!search_uuid.empty() && volume == nullptr)
            return std::nullopt;
        if (volume != nullptr) {
            for (const auto* path : {"/boot", "/"})
                if (is_mounted_at(path, volume->uuid))
                    return path;
            return std::nullopt;
        }
        if (inventory_.mountpoints.contains("/boot"))
            return "/boot";
        bool unmounted_boot =
            std::any_of(inventory_.fstab.begin(), inventory_.fstab.end(),
                        [](const auto& entry) { return entry.mountpoint == "/boot"; });
        return unmounted_boot ? std::nullopt : std::optional<std::string>("/");
    }

    /// Nothing where it cannot be told.
    [[nodiscard]] std::optional<bool> exists(std::string_view mountpoint,
                                             std::string_view path) const {
        if (path.starts_with('('))
            path = path.substr(std::min(path.find(')'), path.size() - 1) + 1);
        if (path.empty() || path.find('$') != std::string_view::npos)
            return std::nullopt;
        if (is_file(mountpoint, path))
            return true;
        // On btrfs and ZFS the path begins with the subvolume: /@/boot/vmlinuz.
        if (!has_subvolumes(mountpoint))
            return false;
        for (auto slash = path.find('/', 1); slash != std::string_view::npos;
             slash = path.find('/', slash + 1))
            if (is_file(mountpoint, path.substr(slash)) || is_file("/", path.substr(slash)))
                return true;
        return false;
    }

private:
    [[nodiscard]] const Volume* volume_at(std::string_view path) const {
        auto found = inventory_.mountpoints.find(std::string(path));
        auto name = found != inventory_.mountpoints.end() ? found->second
                    : path == "/"                         ? inventory_.root
                                                          : std::string{};
        return inventory_.find_volume(name);
    }

    [[nodiscard]] bool is_mounted_at(std::string_view path, std::string_view uuid) const {
        const auto* volume = volume_at(path);
        return volume != nullptr && volume->uuid == uuid;
    }

    [[nodiscard]] bool has_subvolumes(std::string_view mountpoint) const {
        const auto* volume = volume_at(mountpoint);
        return volume == nullptr || volume->type == "btrfs" || volume->type == "zfs_member";
    }

    [[nodiscard]] bool is_file(std::string_view mountpoint, std::string_view path) const {
        auto full = sys::GuestPath::parse(fmt::format("{}/{}", mountpoint, path));
        return full && root_.exists(*full);
    }

    const sys::RootDir& root_;
    const Inventory& inventory_;
};

/// The first file of the entry that is missing, "" if none.
std::string missing_file(const BootPaths& paths, const std::string& mountpoint,
                         const MenuEntry& entry) {
    if (!paths.exists(mountpoint, entry.kernel).value_or(true))
        return entry.kernel;
    for (const auto& initrd : entry.initrds)
        if (!paths.exists(mountpoint, initrd).value_or(true))
            return initrd;
    return {};
}

// GRUB's menu starts with its first entry; entries in files of their own are sorted by version.
const MenuEntry* default_entry(const Inventory& inventory, const std::vector<MenuEntry>& entries) {
    const auto* kernel = default_kernel(inventory);
    for (const auto& entry : entries)
        if (entry.from_menu || kernel == nullptr ||
            entry.kernel.find(kernel->version) != std::string::npos)
            return &entry;
    return entries.empty() ? nullptr : &entries.front();
}

// An initramfs may know its root otherwise, so this is no blocker.
bool has_unknown_root(const MenuEntry& entry) {
    auto arguments = guest::parse_command_line(entry.arguments);
    bool named = std::any_of(arguments.begin(), arguments.end(), [](const auto& argument) {
        return argument.key == "root" || argument.key == "$kernelopts" ||
               argument.key == "${kernelopts}";
    });
    return !named && !entry.initrds.empty();
}

Findings check_entries(const BootPaths& paths, const Inventory& before,
                       const std::vector<MenuEntry>& entries) {
    Findings findings;
    const auto* default_one = default_entry(before, entries);
    if (default_one != nullptr && has_unknown_root(*default_one))
        findings.push_back(
            {"kernel-root-unknown", Severity::Error, default_one->where,
             fmt::format("'{}' gives its kernel no root= that can be read", default_one->title),
             "prove the boot (--prove), and name the root by its UUID if it fails"});
    for (const auto& entry : entries) {
        auto mountpoint = paths.mountpoint_for(entry.search_uuid);
        if (!mountpoint) {
            bool unknown =
                !entry.search_uuid.empty() && before.volume_with_uuid(entry.search_uuid) == nullptr;
            if (unknown && !entry.search_uuid.starts_with('$'))
                findings.push_back(
                    {"unknown-uuid-in-boot-file", Severity::Warning, entry.where,
                     fmt::format("'{}' searches a filesystem {} that was not seen in the guest",
                                 entry.title, entry.search_uuid),
                     ""});
            continue;
        }
        auto missing = missing_file(paths, *mountpoint, entry);
        if (!missing.empty())
            findings.push_back(
                {"menu-entry-broken", &entry == default_one ? Severity::Blocker : Severity::Warning,
                 entry.where,
                 fmt::format("'{}' names {}, which does not exist", entry.title, missing),
                 "regenerate the boot loader's configuration (--update-grub)"});
    }
    return findings;
}

Findings check_syntax(const BootFiles& files) {
    Findings findings;
    for (const auto& [path, text] : files) {
        if (guest::kind_of_boot_file(path) != guest::BootFileKind::GrubConfig)
            continue;
        if (auto status = guest::check_grub_syntax(text); !status)
            findings.push_back({"grub-config-broken", Severity::Blocker, path,
                                fmt::format("GRUB cannot read it: {}", render_line(status.error())),
                                "regenerate it (--update-grub)"});
    }
    return findings;
}

} // namespace

Findings check_menu(const sys::RootDir& root, const BootFiles& files, const Inventory& before) {
    auto findings = check_syntax(files);
    std::vector<MenuEntry> entries;
    for (const auto& [path, text] : files)
        for (auto& entry : entries_of(path, text))
            entries.push_back(std::move(entry));
    BootPaths paths(root, before);
    auto broken = check_entries(paths, before, entries);
    findings.insert(findings.end(), broken.begin(), broken.end());
    if (entries.empty() && before.boot_loader.kind == "grub2" &&
        !before.boot_loader.grub_config.empty() && paths.mountpoint_for(""))
        findings.push_back({"no-boot-entry", Severity::Blocker, before.boot_loader.grub_config,
                            "the boot menu holds no kernel", "regenerate it (--update-grub)"});
    return findings;
}

} // namespace slipway::repair
