// SPDX-License-Identifier: Apache-2.0
// The lock that QEMU takes on an image: readers share, writers exclude each other and running VMs.
#pragma once

#include "base/error.hpp"
#include "sys/fd.hpp"

namespace slipway::image {

enum class Access { Read, Write };

/// Takes QEMU's lock bytes (QEMU's block/file-posix.c: permission i at byte 100+i, "not shared" at
/// byte 200+i) on this open file; they go with its last descriptor. Our own QEMU tools run with
/// locking=off under it, so that the image stays locked between them. Busy if another program
/// still holds what excludes us after some 80 ms: of several that come at once, one gets it.
/// Filesystems without such locks are not an error.
[[nodiscard]] Status lock_image(sys::BorrowedFd file, Access access, const std::string& name);
/// The same for a file that QEMU's tools open themselves, with locks of their own, because an image
/// names it (an extent of a VMDK). To these, a writer looks like a reader; who opens the whole
/// image meets the lock on the image.
[[nodiscard]] Status lock_extent(sys::BorrowedFd file, Access access, const std::string& name);

} // namespace slipway::image
