// SPDX-License-Identifier: Apache-2.0
// What an image says of itself, where qemu-img, which knows it by a descriptor only, wrote
// something else.
#pragma once

#include <string>

#include "base/error.hpp"
#include "sys/fd.hpp"

namespace slipway::image {

/// Writes the file's name into the descriptor inside a sparse VMDK (VMware, Virtual Disk
/// Format 5.0, "The Extent Descriptions"). A name that does not fit there leaves the file as it is.
[[nodiscard]] Status name_vmdk_extent(sys::BorrowedFd file, const std::string& name);

/// VirtualBox registers a disk by the UUIDs in its VDI header: gives `to` those of `from`.
[[nodiscard]] Status copy_vdi_uuids(sys::BorrowedFd from, sys::BorrowedFd to);
/// Whether all blocks of a VDI were allocated when it was made.
[[nodiscard]] bool is_static_vdi(sys::BorrowedFd file);

} // namespace slipway::image
