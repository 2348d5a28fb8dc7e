// SPDX-License-Identifier: Apache-2.0
// The root of a machine whose kernel is under test.
#pragma once

#include <string>
#include <vector>

#include "base/json.hpp"

namespace slipway::testbed {

/// A directory or a disk that the machine was given.
struct Share {
    std::string kind;   ///< "hostfs", "9p", "disk"
    std::string source; ///< a directory of the host, a tag, a serial number
    std::string guest;  ///< where it is mounted
    bool writable = false;
};
[[nodiscard]] Share share_from_json(const Json& json);

struct RootTree {
    Share root;
    bool overlay = true; ///< changes stay in memory
    Share modules{};     ///< no kind: none
    std::vector<Share> shares{};
    bool loud = true; ///< the console gets all but debug messages
};

/// As PID 1: mounts it, makes it this process's and the kernel's root. Unsupported names what the
/// kernel lacks.
[[nodiscard]] Status enter_root_tree(const RootTree& tree);

} // namespace slipway::testbed
