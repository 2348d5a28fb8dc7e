// SPDX-License-Identifier: Apache-2.0
// What kind of kernel a file is, by its content.
#pragma once

#include <string>
#include <string_view>

#include "base/error.hpp"

namespace slipway::appliance {

enum class KernelKind {
    BzImage,
    Vmlinux, ///< an ELF file that QEMU can start (PVH)
    Uml,     ///< a program of this host
    Package  ///< a DEB package
};

/// By the first bytes (64 KiB are enough for all but sections) and the whole content, which may be
/// mapped. Pure. Unsupported: a kernel of another architecture, or one that QEMU cannot start.
/// Corrupt: no kernel.
[[nodiscard]] Result<KernelKind> kernel_kind(std::string_view content);

/// The release in the banner ("Linux version …") of an uncompressed kernel, or "". Pure.
[[nodiscard]] std::string release_in_banner(std::string_view content);

} // namespace slipway::appliance
