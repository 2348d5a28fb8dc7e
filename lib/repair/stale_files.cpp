// SPDX-License-Identifier: Apache-2.0
// Files that pin disks of the old machine and are made anew when they are missing: GRUB's
// device.map, blkid's cache, LVM's cache and its list of devices by serial number (RHEL 9).
#include <array>

#include "base/strings.hpp"
#include "repair/repairs.hpp"

namespace slipway::repair {
namespace {

using report::Inventory;

struct Stale {
    std::string_view path;
    std::string_view reason;
};
constexpr std::array stale_files{
    Stale{"/boot/grub/device.map", "it maps BIOS drives to disks of the old machine"},
    Stale{"/boot/grub2/device.map", "it maps BIOS drives to disks of the old machine"},
    Stale{"/etc/blkid.tab", "a cache of the old machine's devices"},
    Stale{"/etc/blkid.tab.old", "a cache of the old machine's devices"},
    Stale{"/etc/blkid/blkid.tab", "a cache of the old machine's devices"},
    Stale{"/etc/blkid/blkid.tab.old", "a cache of the old machine's devices"},
    Stale{"/etc/lvm/cache/.cache", "a cache of the old machine's devices"},
    Stale{"/etc/lvm/devices/system.devices",
          "it pins LVM to serial numbers of the old machine's disks"},
};

report::Plan plan(const Inventory& inventory, const report::Policy& /*policy*/) {
    report::Plan result;
    for (const auto& stale : stale_files)
        if (inventory.file(std::string(stale.path)) != nullptr)
            result.actions.push_back({.repair = "stale-files",
                                      .kind = report::ActionKind::RemoveFile,
                                      .path = std::string(stale.path),
                                      .reason = std::string(stale.reason)});
    return result;
}

Detection detect(const Inventory& inventory) {
    return detection_of(plan(inventory, {}));
}

report::Findings verify(const sys::RootDir& root, const Inventory& /*before*/) {
    report::Findings findings;
    for (const auto& stale : stale_files)
        if (root.exists(sys::GuestPath(stale.path)))
            findings.push_back({"stale-file", report::Severity::Warning, std::string(stale.path),
                                std::string(stale.reason), "remove it"});
    return findings;
}

} // namespace

Repair stale_files_repair() {
    return {"stale-files", detect, plan, verify};
}

} // namespace slipway::repair
