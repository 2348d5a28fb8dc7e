// SPDX-License-Identifier: Apache-2.0
// Files that pin disks of the old machine and are made anew when they are missing: GRUB's
// device.map, blkid's cache, LVM's cache and its list of devices by serial number (RHEL 9).
#pragma once

#include <array>
#include <string_view>

namespace slipway::guest {

struct StaleFile {
    std::string_view path;
    std::string_view finding; ///< its id in an audit
    std::string_view reason;
};
inline constexpr std::array stale_files{
    StaleFile{"/boot/grub/device.map", "device-map-stale",
              "it maps BIOS drives to disks of the old machine"},
    StaleFile{"/boot/grub2/device.map", "device-map-stale",
              "it maps BIOS drives to disks of the old machine"},
    StaleFile{"/etc/blkid.tab", "blkid-cache", "a cache of the old machine's devices"},
    StaleFile{"/etc/blkid.tab.old", "blkid-cache", "a cache of the old machine's devices"},
    StaleFile{"/etc/blkid/blkid.tab", "blkid-cache", "a cache of the old machine's devices"},
    StaleFile{"/etc/blkid/blkid.tab.old", "blkid-cache", "a cache of the old machine's devices"},
    StaleFile{"/etc/lvm/cache/.cache", "lvm-cache", "a cache of the old machine's devices"},
    StaleFile{"/etc/lvm/devices/system.devices", "lvm-devices-file",
              "it pins LVM to serial numbers of the old machine's disks"},
};

} // namespace slipway::guest
