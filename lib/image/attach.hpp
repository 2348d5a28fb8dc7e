// SPDX-License-Identifier: Apache-2.0
// A disk as a block device of this kernel: one that is there, a loop device straight over a raw
// image, or over the file that qemu-storage-daemon exports through FUSE; where the kernel lacks one
// of these, a network block device that it serves. Needs root, a mount namespace and a /dev of our
// own.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "image/fuse_gate.hpp"
#include "image/layout.hpp"
#include "image/source.hpp"
#include "sys/loop_device.hpp"
#include "sys/nbd_device.hpp"

namespace slipway::image {

/// What a worker is told about a disk, or about what was given in place of one; the descriptors are
/// inherited under the numbers of the graph.
// NOLINTNEXTLINE(bugprone-exception-escape): the moves of its Json throw nothing but assertions
struct DiskSpec {
    Kind kind = Kind::Disk;
    std::string format; ///< of the user's image, for the inventory
    BlockGraph graph;
    int raw_fd = -1; ///< a descriptor that holds the disk's bytes as they are, or is the directory;
                     ///< or -1
    std::uint64_t size = 0; ///< bytes
    bool writable = false;
    bool dropped = false;    ///< what is written ends with the session
    unsigned block_size = 0; ///< bytes of its logical sectors, 512 or 4096; 0: 512
    std::string serial{};    ///< for the inventory
    /// In a machine that has the disk already: the kernel's name for it, such as "vda". Of a
    /// directory what hostfs is to show. Then there is no graph.
    std::string device{};
};
[[nodiscard]] Json to_json(const DiskSpec& spec);
/// The descriptors of the result are those of this process under the graph's numbers.
[[nodiscard]] Result<DiskSpec> disk_spec_from_json(const Json& json);

/// A disk and its partitions as block devices. Everything goes with this process, however it ends:
/// the loop device clears itself, the daemon dies with its parent.
class AttachedDisk {
public:
    /// `index` gives the names: 0 is sda in records and vda in the guest. `directory` is a private
    /// tmpfs. Unsupported, with the remedy, where the daemon, or both ways to a device, are
    /// missing.
    [[nodiscard]] static Result<AttachedDisk> attach(const sys::Host& host, const DiskSpec& spec,
                                                     unsigned index, const std::string& directory);
    AttachedDisk(AttachedDisk&&) = default;
    AttachedDisk& operator=(AttachedDisk&&) = default;

    [[nodiscard]] const report::Disk& disk() const { return disk_; }
    [[nodiscard]] const std::vector<report::Volume>& volumes() const { return layout_.volumes; }
    [[nodiscard]] sys::BorrowedFd fd() const { return kernel_disk().fd(); }
    [[nodiscard]] dev_t device() const { return kernel_disk().device(); }
    /// The disk as the kernel knows it, for partitions that change.
    [[nodiscard]] sys::KernelDisk& kernel_disk() {
        return loop_ ? loop_->disk() : nbd_ ? nbd_->disk() : *given_;
    }
    /// Device number of a volume of this disk; partitions appear on first use.
    [[nodiscard]] Result<dev_t> device_of(const report::Volume& volume);
    /// Flushes all to the image's files and lets go. Every volume must be unmounted.
    [[nodiscard]] Status detach();

private:
    AttachedDisk() = default;
    [[nodiscard]] const sys::KernelDisk& kernel_disk() const {
        return loop_ ? loop_->disk() : nbd_ ? nbd_->disk() : *given_;
    }
    [[nodiscard]] Status attach_image(const sys::Host& host, const DiskSpec& spec, unsigned index,
                                      const std::string& directory);
    [[nodiscard]] Status attach_nbd(const sys::Host& host, const DiskSpec& spec, unsigned index,
                                    const std::string& directory);
    [[nodiscard]] Status attach_loop(const sys::Host& host, const DiskSpec& spec, unsigned index,
                                     const std::string& directory);
    report::Disk disk_;
    DiskLayout layout_;
    std::optional<FuseGate> gate_;
    std::unique_ptr<sys::Child> daemon_;
    std::string export_path_; ///< mount point of the FUSE export, "" without
    std::unique_ptr<sys::LoopDevice> loop_;
    std::unique_ptr<sys::NbdDevice> nbd_;  ///< in place of gate, export and loop device
    std::optional<sys::KernelDisk> given_; ///< in place of all of these
};

} // namespace slipway::image
