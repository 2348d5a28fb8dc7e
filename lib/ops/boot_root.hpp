// SPDX-License-Identifier: Apache-2.0
// What a machine under test has as its root.
#pragma once

#include <optional>
#include <string>

#include "image/source.hpp"
#include "ops/boot_kernel.hpp"

namespace slipway::ops {

struct BootRoot {
    std::string path;         ///< directory or image
    sys::OwnedFd directory{}; ///< of a directory
    sys::OwnedFd lock{};      ///< of a test root
    std::optional<image::Source> image{};
    /// Its files belong to the ids of our namespaces, see sys::enter_own_namespaces.
    bool in_own_namespace = false;
};

/// A directory to be shown to a machine. Where root starts that, no device in it can be opened: the
/// machine's process has more rights than a kernel under test should get by it.
[[nodiscard]] Result<sys::OwnedFd> open_shown_directory(const std::string& path);

/// A test root by name, a directory, an image, or this host's tree. "minimal" is made where it is
/// not there yet. Errors are those of find_rootfs, create_rootfs, image::Source::open.
[[nodiscard]] Result<BootRoot> open_boot_root(const Context& context,
                                              const BootKernelRequest& request);

/// Whether there is such a root, as far as can be told without opening it. NotFound.
[[nodiscard]] Status check_boot_root(const std::string& named);

} // namespace slipway::ops
