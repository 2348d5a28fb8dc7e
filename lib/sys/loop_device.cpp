// SPDX-License-Identifier: Apache-2.0
#include "sys/loop_device.hpp"

#include <chrono>
#include <thread>

#include <linux/loop.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <fmt/format.h>

namespace slipway::sys {
namespace {

constexpr unsigned loop_major = 7; // Documentation/admin-guide/devices.txt

// The node of the host, or one of our own where /dev does not have it (yet): udev may be late.
Result<OwnedFd> open_node(int number, int flags) {
    if (auto fd = open_file(fmt::format("/dev/loop{}", number), flags); fd)
        return fd;
    auto path = fmt::format("/dev/.slipway-loop{}-{}", number, ::getpid());
    if (::mknod(path.c_str(), S_IFBLK | 0600, makedev(loop_major, static_cast<unsigned>(number))) !=
        0)
        return fail_errno(fmt::format("making a node for loop device {}", number));
    auto fd = open_file(path, flags);
    ::unlink(path.c_str());
    return fd;
}

} // namespace

Result<LoopDevice> LoopDevice::attach(BorrowedFd file, const LoopOptions& options) {
    SLIPWAY_TRY(auto control, open_file("/dev/loop-control", O_RDWR));
    loop_config config{};
    config.fd = static_cast<unsigned>(file.raw());
    config.info.lo_flags = LO_FLAGS_AUTOCLEAR | LO_FLAGS_PARTSCAN;
    if (options.read_only)
        config.info.lo_flags |= LO_FLAGS_READ_ONLY;
    if (options.direct_io)
        config.info.lo_flags |= LO_FLAGS_DIRECT_IO;
    for (int tries = 0; tries < 64; ++tries) {
        int number = ::ioctl(control.raw(), LOOP_CTL_GET_FREE);
        if (number < 0)
            return fail_errno("looking for a free loop device");
        SLIPWAY_TRY(auto node, open_node(number, options.read_only ? O_RDONLY : O_RDWR));
        if (::ioctl(node.raw(), LOOP_CONFIGURE, &config) == 0) {
            // Nobody else can hold it for long: only udev takes it, and only to probe.
            ::flock(node.raw(), LOCK_EX | LOCK_NB);
            return LoopDevice(KernelDisk(fmt::format("loop{}", number), std::move(node),
                                         makedev(loop_major, static_cast<unsigned>(number))));
        }
        if (errno == EINVAL && (config.info.lo_flags & LO_FLAGS_DIRECT_IO) != 0)
            config.info.lo_flags &= ~static_cast<unsigned>(LO_FLAGS_DIRECT_IO);
        else if (errno != EBUSY)
            return fail_errno("attaching a loop device");
    }
    return fail(Code::Busy, "other processes took every free loop device first", "try again");
}

Status LoopDevice::detach() {
    if (!disk_.fd().valid())
        return {};
    auto flushed = disk_.close();
    auto marker = fmt::format("/sys/block/{}/loop/backing_file", disk_.name());
    for (int tries = 0; tries < 400; ++tries) {
        if (::access(marker.c_str(), F_OK) != 0)
            return flushed;
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    return fail(Code::Busy, fmt::format("the loop device {} is still in use", disk_.name()));
}

} // namespace slipway::sys
