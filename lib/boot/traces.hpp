// SPDX-License-Identifier: Apache-2.0
// What a system that ran has changed in the kernel that it shared, and how to undo it.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "base/error.hpp"

namespace slipway::boot {

/// Of the machine at one time. Names are the kernel's.
struct MachineState {
    std::set<std::string> loops{};    ///< "loop0", that have a file
    std::set<std::string> mappings{}; ///< "dm-0"
    std::set<std::string> arrays{};   ///< "md127"
    std::set<std::string> swaps{};    ///< paths
    std::set<std::string> modules{};
    std::set<std::string> links{}; ///< network interfaces
    std::map<std::string, std::string>
        settings{}; ///< of /proc/sys, that do not change by themselves
    std::size_t mounts = 0, processes = 0, files = 0; ///< files: open ones of this process
};
[[nodiscard]] MachineState look_at_machine();

struct Change {
    std::string what; ///< "the swap /dev/vda2", "kernel.panic 0 -> 10"
    bool undone = false;
    std::string why{}; ///< it could not be
};

/// What is there now and was not before, undone as far as that is possible: swaps are switched off,
/// mappings, arrays and loop devices released, links that no hardware has removed, settings set
/// back. Modules stay. CAP_SYS_ADMIN, CAP_NET_ADMIN.
[[nodiscard]] std::vector<Change> undo_changes(const MachineState& before);
/// Lines for people, "" where nothing is left to tell; pure.
[[nodiscard]] std::string render_changes(const std::vector<Change>& changes);

} // namespace slipway::boot
