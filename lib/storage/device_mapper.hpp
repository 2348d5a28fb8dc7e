// SPDX-License-Identifier: Apache-2.0
// The kernel's device-mapper and MD, by ioctl(2) and sysfs: what lvm, mdadm and libcryptsetup leave
// to udev, which is not there. Needs root. Everything is by name or number of one device.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <sys/types.h>

#include "base/error.hpp"

namespace slipway::storage {

struct MapperDevice {
    std::string name;
    std::string uuid;
    dev_t number = 0;
};

/// Unsupported with the remedy where the kernel has none. Makes /dev/mapper/control.
[[nodiscard]] Status need_device_mapper(std::string_view for_what);
/// The same for MD.
[[nodiscard]] Status need_md(std::string_view for_what);

/// All mapped devices of this kernel, the host's too.
[[nodiscard]] std::vector<MapperDevice> mapped_devices();
/// Makes the kernel load the module of a target, as it does itself when a table names it. lvm asks
/// before and calls modprobe(8), which finds nothing where /lib/modules is not of this kernel.
void load_target(std::string_view target);

/// A range of a device, in bytes.
struct Extent {
    dev_t base = 0;
    std::uint64_t start = 0;
    std::uint64_t size = 0;
};
struct LinearMap {
    std::string name;
    std::vector<Extent> extents; ///< one behind the other
    bool read_only = false;
};
/// Exists: the kernel has one of this name. No rule of a host's udev looks into it.
[[nodiscard]] Result<dev_t> create_linear(const LinearMap& map);
/// Busy while it is open or mounted. No error if there is none.
[[nodiscard]] Status remove_mapping(const std::string& name);
[[nodiscard]] Status rename_mapping(const std::string& from, const std::string& to);

/// "dm-3" → its number, of /sys/block.
[[nodiscard]] std::optional<dev_t> block_device_number(const std::string& sysfs_name);
/// An MD device number N that no array uses, "mdN", of those that are Slipway's (udev.hpp).
[[nodiscard]] std::optional<unsigned> free_md_number();

} // namespace slipway::storage
