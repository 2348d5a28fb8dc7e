// SPDX-License-Identifier: Apache-2.0
// Repair of a filesystem by its own tool. Needs root.
#pragma once

#include <string>
#include <string_view>

#include "base/error.hpp"

namespace slipway::mount {

struct CheckResult {
    bool corrected = false; ///< there was something to correct
    std::string words;      ///< the tool's last ones
};
/// Corrects what can be corrected without a question: e2fsck -p, xfs_repair. Writes to the node:
/// only for a disk whose changes can be dropped. Nothing may be mounted from it. The tool is
/// confined to the node. Unsupported: there is no tool for the type, or it is not installed;
/// ToolFailed: more is broken than it may decide.
[[nodiscard]] Result<CheckResult> check_filesystem(const std::string& node, std::string_view type);

} // namespace slipway::mount
