// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sys/fd.hpp"

namespace slipway::rootfs {

/// Copies all of a directory into an empty one: content with its holes (shared blocks where the
/// filesystem can), owners, modes, times, extended attributes, hard links, links, pipes, sockets,
/// devices. Making a file takes longer than filling it, so several threads do. As root of a
/// namespace with all ids of the tree. NoSpace and others of the system.
[[nodiscard]] Status copy_tree(sys::BorrowedFd from, sys::BorrowedFd to);

} // namespace slipway::rootfs
