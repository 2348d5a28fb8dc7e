// SPDX-License-Identifier: Apache-2.0
#include "guest/inspect.hpp"

#include <optional>
#include <utility>

#include <fcntl.h>
#include <sys/statvfs.h>

#include <fmt/format.h>

#include "guest/audit.hpp"
#include "guest/boot_loader.hpp"
#include "guest/config_files.hpp"
#include "guest/files.hpp"
#include "guest/fstab.hpp"
#include "guest/kernels.hpp"
#include "guest/system.hpp"
#include "mount/superblock.hpp"

namespace slipway::guest {
namespace {

using report::Inventory;
using report::Volume;

Inventory start_inventory(const OpenedGuest& guest) {
    Inventory inventory;
    for (const auto& disk : guest.disks)
        inventory.disks.push_back(disk.disk);
    for (const auto& each : guest.volumes)
        inventory.volumes.push_back(each.volume);
    inventory.root = guest.root_name;
    inventory.mountpoints = guest.mountpoints;
    inventory.findings = guest.findings;
    return inventory;
}

Volume* find_volume(Inventory& inventory, const std::string& name) {
    const auto* found = std::as_const(inventory).find_volume(name);
    return found == nullptr
               ? nullptr
               : &inventory.volumes[static_cast<std::size_t>(found - inventory.volumes.data())];
}

std::optional<std::uint64_t> used_bytes(const sys::RootDir& root, const std::string& path) {
    auto directory = root.open_path(sys::GuestPath(path), O_PATH | O_DIRECTORY);
    struct statvfs info {};
    if (!directory || ::fstatvfs(directory->raw(), &info) != 0)
        return std::nullopt;
    return static_cast<std::uint64_t>(info.f_blocks - info.f_bfree) * info.f_frsize;
}

void note_mounts(const OpenedGuest& guest, Inventory& inventory) {
    for (const auto& [path, name] : guest.mountpoints)
        if (auto* volume = find_volume(inventory, name)) {
            if (const auto* opened = mount::find_volume(guest.volumes, volume->name);
                opened != nullptr && volume->type == "btrfs")
                volume->used = mount::btrfs_used(opened->node);
            else if (volume->type != "directory" && volume->type != "tar") // it is the host's
                volume->used = used_bytes(guest.root, path);
            // A mount that could write has replayed the journal that the probe saw.
            volume->dirty = false;
        }
    for (const auto& name : guest.dirty_volumes)
        if (auto* volume = find_volume(inventory, name))
            volume->dirty = true;
}

// What a disk that boots, or is to boot elsewhere, should have. Files without a disk need none of
// it.
void audit(Inventory& inventory) {
    audit_fstab(inventory);
    audit_crypttab(inventory);
    audit_boot_arguments(inventory);
    audit_stale_files(inventory);
}

} // namespace

OpenedGuest opened_guest(const mount::MountTree& tree, std::vector<mount::MountableDisk> disks,
                         mount::Volumes volumes) {
    return {.root = tree.root(),
            .disks = std::move(disks),
            .volumes = std::move(volumes),
            .root_name = tree.root_name(),
            .mountpoints = tree.mountpoints(),
            .dirty_volumes = tree.dirty_volumes(),
            .findings = tree.findings()};
}

Result<Inventory> inspect(const OpenedGuest& guest) {
    auto inventory = start_inventory(guest);
    GuestFiles files(guest.root, inventory.findings);
    inventory.os = detect_system(files, inventory);
    if (inventory.os.type.empty())
        return fail(Code::NotFound, fmt::format("{} holds no operating system", guest.root_name));
    // The names in a fstab of another kernel mean nothing to us.
    if (inventory.os.type != "linux")
        std::erase_if(inventory.findings, [](const report::Finding& finding) {
            return finding.id.starts_with("fstab-");
        });
    note_mounts(guest, inventory);
    inventory.firmware = detect_firmware(files, guest.disks, inventory);
    if (inventory.os.type == "linux") {
        inventory.boot_loader = detect_boot_loader(files);
        inventory.initramfs_generator = detect_initramfs_generator(files);
        inventory.kernels = find_kernels(files);
        inventory.files = read_config_files(files, inventory.boot_loader);
        inventory.fstab = read_fstab(inventory);
        if (!inventory.disks.empty())
            audit(inventory);
    }
    audit_volumes(inventory);
    return inventory;
}

} // namespace slipway::guest
