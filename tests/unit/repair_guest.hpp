// SPDX-License-Identifier: Apache-2.0
// Guests made of records, for tests of planning.
#pragma once

#include <string>
#include <string_view>

#include "mount/fstab.hpp"
#include "report/inventory.hpp"
#include "report/plan.hpp"

namespace slipway::test {

inline constexpr const char* root_uuid = "5d1c2b0a-7e54-4f0e-9a53-3d2f9c1b7a01";
inline constexpr const char* swap_uuid = "0b6e6a52-1f3f-4b3c-8a60-6c1f6f2d9e02";
inline constexpr const char* data_uuid = "c2f3a4b5-9d8e-4c7b-b6a5-1e2d3c4b5a03";

inline report::Volume volume(std::string disk, unsigned partition, std::string type,
                             std::string uuid, std::string partuuid = {}) {
    return {.name = partition == 0 ? disk : disk + std::to_string(partition),
            .disk = disk,
            .partition = partition,
            .size = 1 << 30,
            .type = std::move(type),
            .uuid = std::move(uuid),
            .partuuid = std::move(partuuid)};
}

/// Debian on one MBR disk: sda1 is /, sda5 is swap.
inline report::Inventory one_disk_guest() {
    report::Inventory guest;
    guest.disks = {{.name = "sda", .format = "vmdk", .size = 8ULL << 30, .table = "dos"}};
    guest.volumes = {volume("sda", 1, "ext4", root_uuid, "9f1d2c3b-01"),
                     volume("sda", 5, "swap", swap_uuid, "9f1d2c3b-05")};
    guest.root = "sda1";
    guest.os = {.type = "linux", .distro = "debian"};
    guest.mountpoints = {{"/", "sda1"}};
    guest.initramfs_generator = "initramfs-tools";
    return guest;
}

/// The same with a second disk whose only partition holds data.
inline report::Inventory two_disk_guest() {
    auto guest = one_disk_guest();
    guest.disks.push_back({.name = "sdb", .format = "vmdk", .size = 8ULL << 30, .table = "dos"});
    guest.volumes.push_back(volume("sdb", 1, "xfs", data_uuid, "aabbccdd-01"));
    return guest;
}

/// As an inspection would read /etc/fstab.
inline void set_fstab(report::Inventory& guest, const std::string& text) {
    guest.files["/etc/fstab"] = text;
    guest.fstab.clear();
    auto fstab = mount::Fstab::parse(text);
    for (const auto& line : fstab.lines())
        guest.fstab.push_back({.line_no = line.line_no,
                               .spec = line.spec,
                               .mountpoint = line.mountpoint,
                               .type = line.type,
                               .options = line.options,
                               .unstable = mount::is_bus_dependent(line.spec)});
}

inline report::Kernel kernel_without_virtio(std::string version) {
    return {
        .version = version,
        .image = "/boot/vmlinuz-" + version,
        .initramfs = "/boot/initrd.img-" + version,
        .modules_dir = "/lib/modules/" + version,
        .examined = true,
        .missing_modules = {"virtio", "virtio_blk", "virtio_pci", "virtio_ring", "virtio_scsi"}};
}

inline report::Kernel kernel_with_virtio(const std::string& version) {
    auto kernel = kernel_without_virtio(version);
    kernel.virtio_in_initramfs = true;
    kernel.missing_modules.clear();
    return kernel;
}

/// The text that the plan writes to a path, or the text that is there.
inline std::string text_after(const report::Inventory& guest, const report::Plan& plan,
                              const std::string& path) {
    std::string text;
    if (const auto* now = guest.file(path))
        text = *now;
    for (const auto& action : plan.actions)
        if (action.kind == report::ActionKind::WriteFile && action.path == path)
            text = action.content;
    return text;
}

inline bool has_finding(const report::Findings& findings, std::string_view id) {
    for (const auto& finding : findings)
        if (finding.id == id)
            return true;
    return false;
}

} // namespace slipway::test
