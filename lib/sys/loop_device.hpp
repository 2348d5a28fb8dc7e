// SPDX-License-Identifier: Apache-2.0
// Loop devices with their partitions. Needs root.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <sys/types.h>

#include "base/error.hpp"
#include "sys/fd.hpp"

namespace slipway::sys {

/// A range of a disk that shall be a block device of its own.
struct PartitionRange {
    unsigned number = 0;
    std::uint64_t start = 0; ///< bytes
    std::uint64_t size = 0;  ///< bytes
};

struct LoopOptions {
    bool read_only = false;
    bool direct_io = true; ///< tried; buffered where the file cannot
};

/// A loop device over a file, with AUTOCLEAR and PARTSCAN set together: with PARTSCAN the kernel
/// also drops partitions that were added by BLKPG when it clears the device, so nothing outlives
/// the last user, not even after SIGKILL. An exclusive flock(2) on the node, held to the end,
/// keeps udev off it (systemd's block device locking protocol).
class LoopDevice {
public:
    /// Busy after many tries where other processes take each free device first.
    [[nodiscard]] static Result<LoopDevice> attach(BorrowedFd file, const LoopOptions& options);
    LoopDevice(LoopDevice&&) = default;
    LoopDevice& operator=(LoopDevice&&) = default;
    ~LoopDevice() = default;

    [[nodiscard]] int number() const { return number_; }
    [[nodiscard]] dev_t device() const;
    [[nodiscard]] BorrowedFd fd() const { return fd_; }
    /// Makes the partition known to the kernel (BLKPG), unless the kernel found it by itself.
    /// Returns its device number.
    [[nodiscard]] Result<dev_t> add_partition(const PartitionRange& range);
    /// Flushes and closes; Busy, naming nobody, if the device is still in use two seconds later.
    [[nodiscard]] Status detach();

private:
    LoopDevice(int number, OwnedFd fd) : number_(number), fd_(std::move(fd)) {}
    int number_ = -1;
    OwnedFd fd_;
};

} // namespace slipway::sys
