// SPDX-License-Identifier: Apache-2.0
// The kernel of a QEMU sandbox: one that this host has installed, or one that was named.
#pragma once

#include <string>
#include <string_view>

#include "base/error.hpp"

namespace slipway::appliance {

/// What the user named; "" for what is to be found.
struct KernelChoice {
    std::string file{};    ///< a bzImage
    std::string modules{}; ///< its modules: a directory with modules.dep, or one above it
};

struct Kernel {
    std::string file;
    std::string release; ///< of uname(2)
    std::string modules; ///< with modules.dep
};

/// The named one, or the newest of /boot and /usr/lib/modules that can be read and has its modules.
/// Unsupported or Permission, with the remedy.
[[nodiscard]] Result<Kernel> find_kernel(const KernelChoice& choice);

/// The release in the header of an x86 kernel (Documentation/x86/boot.rst, kernel_version). Pure;
/// `head` is the beginning of the file, 64 KiB are enough. Corrupt.
[[nodiscard]] Result<std::string> parse_kernel_release(std::string_view head);

/// Whether it has this module, by its modules.dep; what is built in has no file.
[[nodiscard]] bool has_module(const Kernel& kernel, std::string_view name);

} // namespace slipway::appliance
