// SPDX-License-Identifier: Apache-2.0
// What the machine's memory and tables hold, before a system ran and after it: whether it has left
// something that has no name.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "boot/changes.hpp"

namespace slipway::boot {

/// At one time. Sizes in bytes.
struct Holdings {
    std::uint64_t memory = 0;                    ///< that could be had if all tmpfs were empty
    std::uint64_t hidden_tmpfs = 0;              ///< of tmpfs that are mounted nowhere here
    std::map<std::string, unsigned> mounts{};    ///< "/run/x tmpfs", and how many such
    std::map<std::string, unsigned> processes{}; ///< "init (1)", no threads of the kernel
    std::map<std::string, unsigned> files{};     ///< that this process has open: "socket:"
    unsigned sockets = 0;                        ///< of all processes
    unsigned cgroups = 0;
};
/// Lets the kernel drop its caches first: memory in these is free.
[[nodiscard]] Holdings look_at_holdings();

/// What there is more of, beyond what a kernel and a bootstrap at work keep for themselves. Pure.
[[nodiscard]] std::vector<Change> find_growth(const Holdings& before, const Holdings& after);
/// "memory 2.0 MiB less, 12 mounts, …", for the log; pure.
[[nodiscard]] std::string render_comparison(const Holdings& before, const Holdings& after);

} // namespace slipway::boot
