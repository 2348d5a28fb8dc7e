// SPDX-License-Identifier: Apache-2.0
// Loop devices with their partitions. Needs root.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <sys/types.h>

#include "base/error.hpp"
#include "sys/fd.hpp"
#include "sys/kernel_disk.hpp"

namespace slipway::sys {

struct LoopOptions {
    bool read_only = false;
    bool direct_io = true;    ///< tried; buffered where the file cannot
    std::uint64_t offset = 0; ///< bytes of the file before its first one
    std::uint64_t size = 0;   ///< bytes; 0: to the file's end
    unsigned block_size = 0;  ///< bytes of its logical sectors; 0: the kernel's choice, 512
};

/// A loop device over a file, with AUTOCLEAR and PARTSCAN set together: with PARTSCAN the kernel
/// also drops partitions that were added by BLKPG when it clears the device, so nothing outlives
/// the last user, not even after SIGKILL. An exclusive flock(2) on the node, from before it is
/// configured to the end, keeps udev off it and its partitions (systemd's block device locking
/// protocol).
class LoopDevice {
public:
    /// Busy after many tries where other processes take each free device first.
    [[nodiscard]] static Result<LoopDevice> attach(BorrowedFd file, const LoopOptions& options);
    /// Those whose process has gone and that something else still holds: a mapped device, an array.
    /// They are the caller's now, read-only.
    [[nodiscard]] static std::vector<LoopDevice> take_abandoned();
    LoopDevice(LoopDevice&&) = default;
    LoopDevice& operator=(LoopDevice&&) = default;
    ~LoopDevice() = default;

    [[nodiscard]] KernelDisk& disk() { return disk_; }
    [[nodiscard]] const KernelDisk& disk() const { return disk_; }
    /// Flushes and closes; Busy, naming nobody, if the device is still in use two seconds later.
    [[nodiscard]] Status detach();

private:
    explicit LoopDevice(KernelDisk disk) : disk_(std::move(disk)) {}
    KernelDisk disk_;
};

} // namespace slipway::sys
