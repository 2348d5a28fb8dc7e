// SPDX-License-Identifier: Apache-2.0
// The text form of an inventory for a person at a terminal.
#include <utility>

#include <fmt/format.h>

#include "base/strings.hpp"
#include "base/units.hpp"
#include "report/inventory.hpp"

namespace slipway::report {
namespace {

std::string or_dash(const std::string& text) {
    return text.empty() ? "-" : text;
}

std::string volume_line(const Volume& volume) {
    return fmt::format("  {:<8} {:>9}  {:<12} uuid {}  label {}{}{}{}\n", volume.name,
                       format_size(volume.size), or_dash(volume.type), or_dash(volume.uuid),
                       or_dash(volume.label),
                       volume.used ? fmt::format("  used {}", format_size(*volume.used)) : "",
                       volume.dirty ? "  (journal not clean)" : "",
                       volume.kind.empty() ? ""
                                           : fmt::format("  ({} on {})", volume.kind,
                                                         join(volume.stands_on, ", ")));
}

std::string disks_text(const Inventory& inventory) {
    std::string text;
    for (const auto& disk : inventory.disks) {
        text += fmt::format("Disk {}: {}, {}, partition table: {}\n", disk.name,
                            format_size(disk.size), disk.format, disk.table);
        for (const auto& volume : inventory.volumes)
            if (volume.disk == disk.name && volume.kind.empty())
                text += volume_line(volume);
    }
    bool first = true;
    for (const auto& volume : inventory.volumes)
        if (!volume.kind.empty()) {
            text += std::exchange(first, false) ? "Inside of these:\n" : "";
            text += volume_line(volume);
        }
    return text;
}

std::string windows_text(const WindowsSystem& windows) {
    std::vector<std::string> drives;
    for (const auto& drive : windows.drives)
        drives.push_back(fmt::format("{}: {}", drive.letter, drive.volume));
    return fmt::format("Windows in {}: build {}, edition {}, {}{}\nDrives: {}\n",
                       windows.system_root, or_dash(windows.build), or_dash(windows.edition),
                       or_dash(windows.control_set), windows.hibernated ? ", hibernated" : "",
                       or_dash(join(drives, ", ")));
}

std::string kernel_text(const Kernel& kernel) {
    auto text =
        fmt::format("  {}{}: {}, initramfs {}", kernel.version, kernel.rescue ? " (rescue)" : "",
                    or_dash(kernel.image), or_dash(kernel.initramfs));
    if (!kernel.examined)
        return text + "\n";
    if (!kernel.initramfs_error.empty())
        return text + fmt::format(" (unreadable: {})\n", kernel.initramfs_error);
    if (kernel.virtio_builtin)
        return text + ", virtio built in\n";
    return text + (kernel.virtio_in_initramfs
                       ? ", virtio inside\n"
                       : fmt::format(", virtio missing: {}\n", join(kernel.missing_modules, ", ")));
}

} // namespace

std::string render_text(const Inventory& inventory) {
    auto text = disks_text(inventory);
    const auto& os = inventory.os;
    if (os.type.empty())
        text += "No operating system found.\n";
    else
        text +=
            fmt::format("Operating system: {} ({} {}, {}), host name {}, on {}\n"
                        "Packages: {}   init: {}   firmware: {}   boot loader: {}{}\n",
                        or_dash(os.product), or_dash(os.distro), or_dash(os.version),
                        or_dash(os.arch), or_dash(os.hostname), inventory.root,
                        or_dash(os.package_manager), or_dash(os.init_system),
                        or_dash(inventory.firmware), or_dash(inventory.boot_loader.kind),
                        inventory.boot_loader.config_files.empty()
                            ? ""
                            : fmt::format(" ({})", join(inventory.boot_loader.config_files, ", ")));
    if (os.windows)
        text += windows_text(*os.windows);
    if (!inventory.kernels.empty())
        text += fmt::format("Kernels (initramfs by {}):\n", or_dash(inventory.initramfs_generator));
    for (const auto& kernel : inventory.kernels)
        text += kernel_text(kernel);
    if (!inventory.fstab.empty())
        text += "/etc/fstab:\n";
    for (const auto& entry : inventory.fstab)
        text += fmt::format("  line {}: {} on {} ({}) -> {}\n", entry.line_no, entry.spec,
                            entry.mountpoint, entry.type, or_dash(entry.volume));
    if (inventory.packages)
        text += render_text(*inventory.packages);
    if (!inventory.findings.empty())
        text += "Findings:\n";
    for (const auto& finding : inventory.findings)
        text += fmt::format("  {}\n", render_text(finding));
    return printable(text);
}

} // namespace slipway::report
