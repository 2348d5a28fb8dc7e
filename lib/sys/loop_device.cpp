// SPDX-License-Identifier: Apache-2.0
#include "sys/loop_device.hpp"

#include <chrono>
#include <thread>

#include <linux/blkpg.h>
#include <linux/loop.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <fmt/format.h>

#include "base/strings.hpp"

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

Result<dev_t> partition_device(int loop, unsigned partition) {
    auto text = read_file(fmt::format("/sys/block/loop{0}/loop{0}p{1}/dev", loop, partition));
    if (!text)
        return fail(std::move(text).error());
    auto parts = split(trim(*text), ':');
    auto major_number = parse_number(parts[0]);
    auto minor_number = parts.size() == 2 ? parse_number(parts[1]) : std::nullopt;
    if (!major_number || !minor_number)
        return fail(Code::Internal, "sysfs gave no device number for a partition");
    return makedev(static_cast<unsigned>(*major_number), static_cast<unsigned>(*minor_number));
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
            return LoopDevice(number, std::move(node));
        }
        if (errno == EINVAL && (config.info.lo_flags & LO_FLAGS_DIRECT_IO) != 0)
            config.info.lo_flags &= ~static_cast<unsigned>(LO_FLAGS_DIRECT_IO);
        else if (errno != EBUSY)
            return fail_errno("attaching a loop device");
    }
    return fail(Code::Busy, "other processes took every free loop device first", "try again");
}

dev_t LoopDevice::device() const {
    return makedev(loop_major, static_cast<unsigned>(number_));
}

Result<dev_t> LoopDevice::add_partition(const PartitionRange& range) {
    if (auto known = partition_device(number_, range.number); known)
        return known;
    blkpg_partition partition{};
    partition.start = static_cast<long long>(range.start);
    partition.length = static_cast<long long>(range.size);
    partition.pno = static_cast<int>(range.number);
    blkpg_ioctl_arg argument{};
    argument.op = BLKPG_ADD_PARTITION;
    argument.datalen = sizeof partition;
    argument.data = &partition;
    if (::ioctl(fd_.raw(), BLKPG, &argument) != 0 && errno != EBUSY)
        return fail_errno(fmt::format("adding partition {}", range.number));
    return partition_device(number_, range.number);
}

Status LoopDevice::detach() {
    if (!fd_.valid())
        return {};
    Status flushed;
    if (::fsync(fd_.raw()) != 0)
        flushed = fail_errno(fmt::format("flushing loop device {}", number_));
    SLIPWAY_CHECK(fd_.close());
    auto marker = fmt::format("/sys/block/loop{}/loop/backing_file", number_);
    for (int tries = 0; tries < 400; ++tries) {
        if (::access(marker.c_str(), F_OK) != 0)
            return flushed;
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    return fail(Code::Busy, fmt::format("loop device {} is still in use", number_));
}

} // namespace slipway::sys
