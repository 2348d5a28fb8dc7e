// SPDX-License-Identifier: Apache-2.0
#include "guest/fstab.hpp"

#include "mount/fstab.hpp"
#include "mount/fstab_options.hpp"

namespace slipway::guest {
namespace {

using report::Inventory;
using report::Severity;

// Whoever has more of them learns nothing from the rest.
constexpr std::size_t max_fstab_lines = 1000;

template <typename Lines> std::string_view spec_of_root(const Lines& lines) {
    for (const auto& line : lines)
        if (line.mountpoint == "/")
            return line.spec;
    return {};
}

mount::GuestDevices devices_with_root(const Inventory& inventory, std::string_view root_spec) {
    return {inventory.volumes, inventory.find_volume(inventory.root), root_spec};
}

} // namespace

std::vector<report::FstabEntry> read_fstab(const Inventory& inventory) {
    std::vector<report::FstabEntry> entries;
    const auto* text = inventory.file("/etc/fstab");
    if (text == nullptr)
        return entries;
    auto fstab = mount::Fstab::parse(*text);
    auto devices = devices_with_root(inventory, spec_of_root(fstab.lines()));
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

std::string_view root_spec(const Inventory& inventory) {
    return spec_of_root(inventory.fstab);
}

mount::GuestDevices devices_of(const Inventory& inventory) {
    return devices_with_root(inventory, root_spec(inventory));
}

bool is_hypervisor_share(std::string_view spec, std::string_view type) {
    return type == "vmhgfs" || type == "fuse.vmhgfs-fuse" || type == "vboxsf" ||
           spec.starts_with(".host:");
}

Severity severity_if_missing(std::string_view type, std::string_view options) {
    auto parsed = mount::parse_fstab_options(options, type);
    if (!parsed.automatic || parsed.optional)
        return Severity::Info;
    // systemd and openrc go on without a swap area, after waiting for it. Without any other they
    // stop in an emergency shell.
    return type == "swap" ? Severity::Warning : Severity::Blocker;
}

} // namespace slipway::guest
