// SPDX-License-Identifier: Apache-2.0
// Gives an initramfs the modules it lacks without running anything of the guest: a cpio segment
// with the guest's own modules and a new module index is appended, for the kernel unpacks archives
// one after another into the same tree.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "archive/compression.hpp"
#include "report/plan.hpp"
#include "sys/host.hpp"
#include "sys/root_dir.hpp"

namespace slipway::repair {

struct SegmentOptions {
    /// A private, empty or absent directory of the host, best on a tmpfs that dies with the
    /// caller's mount namespace. What is made below it is removed again.
    std::string scratch_dir;
};

/// What was appended.
struct SegmentRecord {
    std::vector<std::string> modules{}; ///< names; empty: nothing was missing, nothing was written
    archive::Compression compression = archive::Compression::None;
    std::uint64_t size = 0; ///< bytes
};

/// Appends to the initramfs `action.path` what `action.modules` of kernel `action.kernel` need. The
/// index is made by the host's depmod, confined to the scratch directory, over the modules that are
/// inside and the new ones. The file is replaced by a rename; mode, owner and extended attributes
/// stay. A second run writes nothing.
///
/// Unsupported: a unified kernel image; an initramfs that does not load modules through an index;
/// LZO. NotFound: modules that the guest does not have; depmod. NoSpace: the filesystem of
/// `action.path` cannot hold the new file beside the old one. Corrupt: the initramfs or the guest's
/// index cannot be read. InvalidArgument: a kernel version that is no plain name.
[[nodiscard]] Result<SegmentRecord> append_initramfs_segment(const sys::Host& host,
                                                             const sys::RootDir& root,
                                                             const report::Action& action,
                                                             const SegmentOptions& options);

} // namespace slipway::repair
