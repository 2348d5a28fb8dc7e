// SPDX-License-Identifier: Apache-2.0
// A block graph as a block device of this kernel: a loop device straight over a raw image, or over
// the file that qemu-storage-daemon exports through FUSE. Needs root, a mount namespace and a /dev
// of our own.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "image/fuse_gate.hpp"
#include "image/layout.hpp"
#include "image/source.hpp"
#include "sys/loop_device.hpp"

namespace slipway::image {

/// What a worker is told about a disk; the descriptors are inherited under the numbers of the
/// graph.
struct DiskSpec {
    std::string format; ///< of the user's image, for the inventory
    BlockGraph graph;
    int raw_fd = -1;        ///< a descriptor that holds the disk's bytes as they are, or -1
    std::uint64_t size = 0; ///< bytes
    bool writable = false;
};
[[nodiscard]] Json to_json(const DiskSpec& spec);
/// The descriptors of the result are those of this process under the graph's numbers.
[[nodiscard]] Result<DiskSpec> disk_spec_from_json(const Json& json);

/// A disk and its partitions as block devices. Everything goes with this process, however it ends:
/// the loop device clears itself, the daemon dies with its parent.
class AttachedDisk {
public:
    /// `index` gives the names: 0 is sda in records and vda in the guest. `directory` is a private
    /// tmpfs. Unsupported, with the remedy, where loop devices, FUSE or the daemon are missing.
    [[nodiscard]] static Result<AttachedDisk> attach(const sys::Host& host, const DiskSpec& spec,
                                                     unsigned index, const std::string& directory);
    AttachedDisk(AttachedDisk&&) = default;
    AttachedDisk& operator=(AttachedDisk&&) = default;

    [[nodiscard]] const report::Disk& disk() const { return disk_; }
    [[nodiscard]] const std::vector<report::Volume>& volumes() const { return layout_.volumes; }
    [[nodiscard]] sys::BorrowedFd fd() const { return loop_->fd(); }
    [[nodiscard]] dev_t device() const { return loop_->device(); }
    /// Device number of a volume of this disk; partitions appear on first use.
    [[nodiscard]] Result<dev_t> device_of(const report::Volume& volume);
    /// Flushes all to the image's files and lets go. Every volume must be unmounted.
    [[nodiscard]] Status detach();

private:
    AttachedDisk() = default;
    report::Disk disk_;
    DiskLayout layout_;
    std::optional<FuseGate> gate_;
    std::unique_ptr<sys::Child> daemon_;
    std::string export_path_; ///< mount point of the FUSE export, "" without
    std::unique_ptr<sys::LoopDevice> loop_;
};

} // namespace slipway::image
