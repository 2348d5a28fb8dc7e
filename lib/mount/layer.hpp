// SPDX-License-Identifier: Apache-2.0
// Trees of files that are no filesystem of a disk, and what makes a read-only tree writable for a
// while. Needs root in a private mount namespace.
#pragma once

#include <string>

#include "base/error.hpp"

namespace slipway::mount {

/// The directory `source` at `target` once more, nodev; read-only unless `writable`. What is
/// mounted below it is left out.
[[nodiscard]] Status bind_tree(const std::string& source, const std::string& target, bool writable);

/// Puts an overlay in place of what is mounted at `target`, a path that names the mount: what is
/// written goes to memory and is dropped with the mount. Unsupported: this kernel has no overlayfs.
[[nodiscard]] Status put_layer(const std::string& target);

} // namespace slipway::mount
