// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>
#include <optional>

#include <fcntl.h>

#include <fmt/format.h>

#include "base/strings.hpp"
#include "guest/boot_loader.hpp"
#include "sys/fd.hpp"

namespace slipway::guest {
namespace {

using mount::MountableDisk;
using report::Inventory;
using report::Severity;
using report::Volume;

constexpr std::string_view bios_boot_type = "21686148-6449-6e6f-744e-656564454649";
constexpr std::string_view esp_type = "c12a7328-f81f-11d2-ba4b-00a0c93ec93b";
constexpr std::string_view esp_mbr_type = "0xef";

struct BootSector {
    bool has_code = false; ///< anything but zeros before the disk signature
    bool has_grub = false;
};

// Classic MBR: 440 bytes of code, then signature and table (UEFI specification, "Legacy Master Boot
// Record"). GRUB's boot.img holds its name for error messages.
std::optional<BootSector> read_boot_sector(const std::string& node) {
    constexpr std::size_t code_size = 440;
    std::array<std::byte, code_size> code{};
    auto fd = sys::open_file(node, O_RDONLY);
    if (!fd || !sys::read_exactly_at(*fd, code, 0))
        return std::nullopt;
    constexpr std::string_view grub = "GRUB";
    auto as_char = [](std::byte byte) { return static_cast<char>(byte); };
    std::string text;
    std::transform(code.begin(), code.end(), std::back_inserter(text), as_char);
    return BootSector{.has_code = text.find_first_not_of('\0') != std::string::npos,
                      .has_grub = text.find(grub) != std::string::npos};
}

bool has_active_partition(const std::string& disk, const Inventory& inventory) {
    return std::any_of(inventory.volumes.begin(), inventory.volumes.end(),
                       [&](const auto& volume) { return volume.disk == disk && volume.bootable; });
}

struct BiosEvidence {
    bool boots = false;
    bool no_code = false; ///< first sectors were read, and none has code
};

BiosEvidence look_for_bios_boot(const std::vector<MountableDisk>& disks,
                                const Inventory& inventory) {
    BiosEvidence evidence;
    bool any_read = false, any_code = false;
    for (const auto& disk : disks) {
        auto sector = disk.node.empty() ? std::nullopt : read_boot_sector(disk.node);
        if (!sector)
            continue;
        any_read = true;
        any_code = any_code || sector->has_code;
        if (sector->has_grub ||
            (sector->has_code && has_active_partition(disk.disk.name, inventory)))
            evidence.boots = true;
    }
    for (const auto& volume : inventory.volumes)
        if (to_lower(volume.parttype) == bios_boot_type)
            evidence.boots = true;
    evidence.no_code = any_read && !any_code;
    return evidence;
}

std::string mountpoint_of(const Volume& volume, const Inventory& inventory) {
    for (const auto& [path, name] : inventory.mountpoints)
        if (name == volume.name)
            return path;
    return {};
}

/// FAT knows no case of letters.
std::string entry_named(const GuestFiles& files, const std::string& directory,
                        std::string_view name) {
    for (const auto& entry : files.list(directory))
        if (to_lower(entry) == name)
            return directory + "/" + entry;
    return {};
}

bool ends_with_efi(const std::string& name) {
    return to_lower(name).ends_with(".efi");
}

// The NVRAM's boot entries stay with the old machine; firmware then starts EFI/BOOT/BOOT*.EFI.
bool has_fallback_program(const GuestFiles& files, const std::string& efi) {
    auto boot = entry_named(files, efi, "boot");
    if (boot.empty())
        return false;
    auto names = files.list(boot);
    return std::any_of(names.begin(), names.end(), [](const auto& name) {
        return to_lower(name).starts_with("boot") && ends_with_efi(name);
    });
}

bool has_efi_program(const GuestFiles& files, const std::string& efi) {
    for (const auto& vendor : files.list(efi)) {
        auto names = files.list(efi + "/" + vendor);
        if (std::any_of(names.begin(), names.end(), ends_with_efi))
            return true;
    }
    return false;
}

bool has_uefi_boot(const GuestFiles& files, const Volume& esp, const Inventory& inventory) {
    auto mountpoint = mountpoint_of(esp, inventory);
    if (mountpoint.empty()) {
        files.find(
            {.id = "esp-unreadable",
             .severity = Severity::Warning,
             .where = esp.name,
             .text = fmt::format("the EFI system partition {} could not be looked into", esp.name),
             .remedy = "modprobe vfat, or use a machine whose kernel has it"});
        return true;
    }
    auto efi = entry_named(files, mountpoint, "efi");
    if (efi.empty() || !has_efi_program(files, efi))
        return false;
    if (!has_fallback_program(files, efi))
        files.find({.id = "esp-without-fallback",
                    .severity = Severity::Error,
                    .where = esp.name,
                    .text = fmt::format("{} has no EFI/BOOT/BOOT*.EFI, and boot entries in NVRAM "
                                        "stay with the old machine",
                                        esp.name)});
    return true;
}

} // namespace

bool is_efi_system_partition(const Volume& volume) {
    auto type = to_lower(volume.parttype);
    return type == esp_type || type == esp_mbr_type;
}

std::string detect_firmware(const GuestFiles& files, const std::vector<MountableDisk>& disks,
                            const Inventory& inventory) {
    auto bios = look_for_bios_boot(disks, inventory);
    bool uefi = false;
    for (const auto& volume : inventory.volumes)
        if (is_efi_system_partition(volume))
            uefi = has_uefi_boot(files, volume, inventory) || uefi;
    if (uefi)
        return bios.boots && !bios.no_code ? "bios+uefi" : "uefi";
    bool meant_for_bios =
        bios.boots || !files.first_of({"/boot/grub/i386-pc", "/boot/grub2/i386-pc"}).empty();
    if (meant_for_bios && bios.no_code)
        files.find(
            {.id = "boot-sector-empty",
             .severity = Severity::Blocker,
             .where = disks.front().disk.name,
             .text = "no disk of the guest has boot code in its first sector, so a BIOS cannot "
                     "start it",
             .remedy =
                 "install the boot loader again, or give the disk that the guest boots from"});
    return meant_for_bios ? "bios" : "";
}

} // namespace slipway::guest
