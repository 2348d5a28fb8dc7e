// SPDX-License-Identifier: Apache-2.0
// Whether each kernel's initramfs can find a disk on virtio: the deep part of an inspection.
#pragma once

#include <string>

#include "report/inventory.hpp"
#include "sys/root_dir.hpp"

namespace slipway::guest {

struct ExamineOptions {
    unsigned threads = 0; ///< 0: as many as the machine has
    /// A private directory of ours where results are kept by digest of the initramfs; "": none.
    std::string cache_dir{};
};

/// Fills `examined` and what follows it of every kernel by reading the archive, kernels in
/// parallel. Its threads have ended when it returns. A virtio driver that is built in counts as
/// present. Nothing of the guest is run or written; what cannot be read stands in
/// `initramfs_error`.
///
/// `missing_modules` are the modules that virtio-blk and virtio-scsi disks need (see
/// virtio_disk_modules), with all they depend on, that the guest has below /lib/modules and that
/// are neither in the initramfs's module index nor built in.
void examine_kernels(report::Inventory& inventory, const sys::RootDir& root,
                     const ExamineOptions& options);

/// The same for one kernel.
void examine_kernel(report::Kernel& kernel, const sys::RootDir& root,
                    const ExamineOptions& options);

} // namespace slipway::guest
