// SPDX-License-Identifier: Apache-2.0
// Lets one FUSE request at a time through to qemu-storage-daemon.
#pragma once

#include "base/error.hpp"
#include "sys/fd.hpp"
#include "sys/process.hpp"

namespace slipway::image {

/// QEMU's FUSE export (before 10.1) reads the next request into the buffer of the write that is
/// still under way, because waiting for the write polls the same descriptor: with two requests in
/// flight the disk is silently corrupted ("fuse: Copy write buffer content before polling"). So
/// the daemon does not get /dev/fuse but a socket, and this process between them forwards a request
/// only after the reply to the last one.
struct FuseGate {
    sys::ClonedChild process;
    sys::OwnedFd daemon_end; ///< SOCK_SEQPACKET: what the daemon takes for /dev/fuse

    /// Needs root for the size of the socket's buffer. The process holds `fuse` and nothing else,
    /// ends with either side, and dies with its parent.
    [[nodiscard]] static Result<FuseGate> start(sys::OwnedFd fuse);
};

} // namespace slipway::image
