// SPDX-License-Identifier: Apache-2.0
// The mounts and nodes of one command as a list, written before the fork and carried out after it.
#pragma once

#include <string>
#include <vector>

#include <sys/types.h>

namespace slipway::enter {

enum class StepKind {
    Mount,    ///< a new filesystem of type `source`
    Bind,     ///< `source` is a path below the stage, where the process stands
    ReadOnly, ///< makes the directory at target a read-only mount of itself
    Node,
    Directory,
    Link, ///< a symbolic link at target that says `source`
    File, ///< a file with `source` as its content
};

/// Targets are absolute paths in the guest's root, which is the process's root by then.
struct Step {
    StepKind kind;
    std::string target;
    std::string source{};
    std::string options{};
    unsigned long flags = 0; ///< MS_*
    mode_t mode = 0;
    dev_t device = 0;
};
using Script = std::vector<Step>;

/// Returns 0 or an errno. Allocates nothing.
[[nodiscard]] int perform(const Step& step);
/// "mounting tmpfs at /dev", for logs and errors.
[[nodiscard]] std::string describe(const Step& step);

} // namespace slipway::enter
