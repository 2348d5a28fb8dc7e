// SPDX-License-Identifier: Apache-2.0
// Makes layers: the tree of a distribution's packages, and on a copy of it the profile.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "rootfs/cache.hpp"
#include "rootfs/manifest.hpp"
#include "sys/host.hpp"

namespace slipway::rootfs {

/// `host.runner` is root of a namespace with all ids of the roots, see task.hpp.
struct Workshop {
    sys::Host host;
    Cache cache;
};

struct LayerWish {
    Source source;
    Profile profile;
    std::vector<std::string> added_packages{}; ///< that are not in the plain profile
};
struct Layer {
    std::string path;
    Manifest manifest;
    sys::OwnedFd lock; ///< shared, of the cache: nobody removes the layer
    bool base_built = false;
    bool layer_built = false;
    double base_seconds = 0;
    double layer_seconds = 0;
};

/// The layer that roots of this profile are copies of, made where it is not there. Without a
/// mirror that answers a layer that is there is used all the same. Errors of explain_failure and of
/// apply_by_worker; Unsupported without mmdebstrap; Cancelled. What was begun is removed.
[[nodiscard]] Result<Layer> ensure_layer(const Workshop& workshop, const LayerWish& wish);

/// Busy where something is mounted at a path or below it, which must not be removed with it.
[[nodiscard]] Status check_no_mounts(const std::string& path);
/// Removes a tree, also when the user has asked to stop. An absent one is no error.
/// Busy as above.
[[nodiscard]] Status remove_tree(const sys::Host& host, const std::string& path);
/// Removes what killed builds left, and layers that nobody has used for a month. Needs the lock of
/// the cache, alone. Returns their paths.
[[nodiscard]] Result<std::vector<std::string>> sweep(const Workshop& workshop);

} // namespace slipway::rootfs
