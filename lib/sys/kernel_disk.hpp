// SPDX-License-Identifier: Apache-2.0
// A disk that the kernel knows, and its partitions. Needs root.
#pragma once

#include <cstdint>
#include <string>

#include <sys/types.h>

#include "base/error.hpp"
#include "sys/fd.hpp"

namespace slipway::sys {

/// The node of a block device in the kernel's own devtmpfs, whatever /dev is here: the locks of
/// flock(2) that others see are those of its inode. Without a devtmpfs one that is made and removed
/// in /dev.
[[nodiscard]] Result<OwnedFd> open_kernel_node(const std::string& name, dev_t number, int flags);

/// A range of a disk that shall be a block device of its own.
struct PartitionRange {
    unsigned number = 0;
    std::uint64_t start = 0; ///< bytes
    std::uint64_t size = 0;  ///< bytes
};

/// A whole disk by the kernel's name for it, such as "vda".
class KernelDisk {
public:
    /// NotFound where the kernel has no such disk.
    [[nodiscard]] static Result<KernelDisk> open(const std::string& name, bool writable);
    /// A disk that is open already.
    KernelDisk(std::string name, OwnedFd fd, dev_t device)
        : name_(std::move(name)), fd_(std::move(fd)), device_(device) {}

    [[nodiscard]] const std::string& name() const { return name_; }
    [[nodiscard]] BorrowedFd fd() const { return fd_; }
    [[nodiscard]] dev_t device() const { return device_; }
    /// Makes the partition known to the kernel (BLKPG), unless the kernel found it by itself: what
    /// the kernel found of the same number elsewhere gives way. Returns its device number.
    [[nodiscard]] Result<dev_t> add_partition(const PartitionRange& range);
    /// Makes the kernel forget a partition. No error if it knows none; Busy while it is in use.
    [[nodiscard]] Status remove_partition(unsigned number) const;
    /// Makes the kernel forget those of its partitions that nobody uses.
    void drop_partitions() const;
    /// fsync(2), then closes.
    [[nodiscard]] Status close();

private:
    std::string name_;
    OwnedFd fd_;
    dev_t device_ = 0;
};

} // namespace slipway::sys
