// SPDX-License-Identifier: Apache-2.0
// Network block devices whose server is a process of this host. Needs root and the host's network
// namespace: the kernel's NBD is spoken to through generic netlink, and answers nowhere else.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "sys/fd.hpp"
#include "sys/kernel_disk.hpp"
#include "sys/process.hpp"

namespace slipway::sys {

struct NbdOptions {
    std::string export_name;
    BorrowedFd server_exit;  ///< pidfd of the server
    unsigned block_size = 0; ///< bytes of its logical sectors; 0: 512
};

/// A device over a connected stream socket to an NBD server. The kernel picks the number, so no two
/// processes can pick the same. The device is empty until an exclusive flock(2) on its node keeps
/// udev off, as LoopDevice does; it goes with its last user. When the server ends, reads and writes
/// fail.
class NbdDevice {
public:
    /// Unsupported, with the remedy, where the kernel has no NBD or shows none here.
    [[nodiscard]] static Status probe();
    /// Negotiates and connects. Protocol: the server said something else, or ended. Busy: "No free
    /// NBD devices available". Read-only as the server says.
    [[nodiscard]] static Result<NbdDevice> attach(OwnedFd server, const NbdOptions& options);
    /// Disconnects those whose process was killed and that something else still holds: what waits
    /// for their servers fails. They are the caller's now, as of LoopDevice. None outside of the
    /// first PID namespace, where nobody can tell.
    [[nodiscard]] static std::vector<NbdDevice> take_abandoned();
    NbdDevice(NbdDevice&&) = default;
    NbdDevice& operator=(NbdDevice&&) = default;
    ~NbdDevice() { end_watch(); }

    [[nodiscard]] KernelDisk& disk() { return disk_; }
    [[nodiscard]] const KernelDisk& disk() const { return disk_; }
    /// Flushes, closes and waits until the kernel has let go of the server; Busy if the device is
    /// still in use two seconds later.
    [[nodiscard]] Status detach();

private:
    NbdDevice(KernelDisk disk, ClonedChild watch)
        : disk_(std::move(disk)), watch_(std::move(watch)) {}
    void end_watch();
    KernelDisk disk_;
    ClonedChild watch_; ///< ends the device's requests when the server has ended
};

/// What a server says of an export.
struct NbdExport {
    std::uint64_t size = 0; ///< bytes
    std::uint16_t flags = 0;
};
/// Talks to the server until data can flow. Protocol: it said something else, or ended.
[[nodiscard]] Result<NbdExport> negotiate_nbd(BorrowedFd server, const std::string& export_name);
/// What the kernel's refusal to connect means to a person.
[[nodiscard]] Error nbd_refusal(int errno_value);

} // namespace slipway::sys
