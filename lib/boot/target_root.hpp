// SPDX-License-Identifier: Apache-2.0
// What both ways of entering an image share.
#pragma once

#include <string>
#include <vector>

#include "base/error.hpp"
#include "boot/consoles.hpp"

namespace slipway::boot {

struct TargetSpec {
    std::string root; ///< a mount of its own
    std::string init; ///< a path in it
    std::vector<Consoles::Lent> consoles{};
    bool hides_namespaces = false; ///< systemd 257 takes a PID namespace for a container
    std::string helpers{};         ///< a directory that it finds as /run/slipway; "" for none
};

/// Mounts in it what an init expects, the consoles that it gets, and the way back; all mounts
/// become private. CAP_SYS_ADMIN.
[[nodiscard]] Status prepare_root(const TargetSpec& spec);
/// The image's own directories are kept; a link in their place is not followed.
[[nodiscard]] Status make_mount_point(const std::string& path);
/// The root is "/" by now. Comes back with an error only.
[[nodiscard]] Error start_init(const TargetSpec& spec);

} // namespace slipway::boot
