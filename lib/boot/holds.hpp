// SPDX-License-Identifier: Apache-2.0
// Processes that were killed and do not end: what root of a system can have done so that they wait
// in the kernel for ever, undone.
#pragma once

namespace slipway::boot {

/// Filesystems that are frozen go on, device mappings that are suspended too; connections of FUSE
/// are aborted, and groups of the old freezer (cgroup-v1) let go. All of the machine's: nothing of
/// the bootstrap's own may be in use. To be called until they have ended, as others of them may do
/// it again. CAP_SYS_ADMIN.
void release_killed();

} // namespace slipway::boot
