// SPDX-License-Identifier: Apache-2.0
// /dev is one for all: what a system that ran has changed in it, and how to undo it.
#pragma once

#include <map>
#include <string>
#include <vector>

#include <sys/types.h>

#include "boot/changes.hpp"

namespace slipway::boot {

struct DeviceFile {
    mode_t mode = 0; ///< with its type
    dev_t device = 0;
    uid_t owner = 0;
    gid_t group = 0;
    std::string target{}; ///< of a link
    bool operator==(const DeviceFile&) const = default;
};
/// Of one filesystem, by paths below its top.
using DeviceFiles = std::map<std::string, DeviceFile>;
[[nodiscard]] DeviceFiles look_at_devices(const std::string& top = "/dev");

/// What is missing is made again, what is another thing now too; owners and modes are set back.
/// New links, files and directories go; new devices stay, since the kernel made them. One line
/// tells all. CAP_MKNOD.
[[nodiscard]] std::vector<Change> undo_devices(const DeviceFiles& before,
                                               const std::string& top = "/dev");

} // namespace slipway::boot
