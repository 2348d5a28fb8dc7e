// SPDX-License-Identifier: Apache-2.0
// What a system that ran has changed in the kernel that it shared, and how to undo it.
#pragma once

#include <chrono>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "boot/changes.hpp"
#include "boot/traces_devices.hpp"
#include "boot/traces_mounts.hpp"
#include "boot/traces_network.hpp"

namespace slipway::boot {

/// Of the machine at one time. Names are the kernel's.
struct MachineState {
    std::set<std::string> loops{};    ///< "loop0", that have a file
    std::set<std::string> mappings{}; ///< "dm-0"
    std::set<std::string> arrays{};   ///< "md127"
    std::set<std::string> swaps{};    ///< paths
    std::set<std::string> modules{};
    NetworkState network{};
    DeviceFiles devices{};
    std::set<std::string> read_only{}; ///< where filesystems are mounted that cannot be written to
    std::map<std::string, std::string>
        settings{};                      ///< of /proc/sys, that do not change by themselves
    std::set<std::string> controllers{}; ///< of control groups, for those of others
    std::chrono::nanoseconds clock{};    ///< when the machine was started, as its clock has it
};
[[nodiscard]] MachineState look_at_machine();

/// What is there now and was not before, undone as far as that is possible: swaps are switched off,
/// mappings, arrays and loop devices released, the network, /dev, settings and a clock that was set
/// put back. Modules stay. CAP_SYS_ADMIN, CAP_NET_ADMIN, CAP_SYS_TIME.
[[nodiscard]] std::vector<Change> undo_changes(const MachineState& before);

} // namespace slipway::boot
