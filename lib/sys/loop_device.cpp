// SPDX-License-Identifier: Apache-2.0
#include "sys/loop_device.hpp"

#include <chrono>
#include <cstring>
#include <filesystem>
#include <thread>

#include <linux/loop.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <fmt/format.h>

#include "base/strings.hpp"
#include "base/units.hpp"

namespace slipway::sys {
namespace {

constexpr unsigned loop_major = 7; // Documentation/admin-guide/devices.txt
constexpr std::chrono::seconds longest_search{20}, longest_udev{5};

Result<OwnedFd> open_loop(unsigned number, int flags) {
    return open_kernel_node(fmt::format("loop{}", number), makedev(loop_major, number), flags);
}

// lo_file_name is a text of whoever makes the device; /sys shows the true name of the file.
constexpr std::string_view mark = "slipway";

bool has_our_mark(BorrowedFd node, const std::string& backing_file) {
    loop_info64 info{};
    if (::ioctl(node.raw(), LOOP_GET_STATUS64, &info) == 0)
        return std::memcmp(info.lo_file_name, mark.data(), mark.size()) == 0;
    // The kernel asks the file first, which a FUSE daemon that was killed does not answer. One that
    // is the root of its filesystem, so that its name is "/", is an export of QEMU.
    return (errno == ENOTCONN || errno == ECONNABORTED) && trim(backing_file) == "/";
}

// Its worker lives where even a shared lock is refused. udev takes a shared one for a moment, as
// soon as the worker's has gone.
bool lock_abandoned(BorrowedFd node) {
    for (auto until = Clock::now() + longest_udev; Clock::now() < until;) {
        if (::flock(node.raw(), LOCK_EX | LOCK_NB) == 0)
            return true;
        if (::flock(node.raw(), LOCK_SH | LOCK_NB) != 0)
            return false;
        ::flock(node.raw(), LOCK_UN);
        std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    return false;
}

} // namespace

Result<LoopDevice> LoopDevice::attach(BorrowedFd file, const LoopOptions& options) {
    SLIPWAY_TRY(auto control, open_file("/dev/loop-control", O_RDWR));
    loop_config config{};
    config.fd = static_cast<unsigned>(file.raw());
    config.block_size = options.block_size;
    config.info.lo_offset = options.offset;
    config.info.lo_sizelimit = options.size;
    config.info.lo_flags = LO_FLAGS_AUTOCLEAR | LO_FLAGS_PARTSCAN;
    std::memcpy(config.info.lo_file_name, mark.data(), mark.size());
    if (options.read_only)
        config.info.lo_flags |= LO_FLAGS_READ_ONLY;
    if (options.direct_io)
        config.info.lo_flags |= LO_FLAGS_DIRECT_IO;
    for (auto until = Clock::now() + longest_search; Clock::now() < until;) {
        int number = ::ioctl(control.raw(), LOOP_CTL_GET_FREE);
        if (number < 0)
            return fail_errno("looking for a free loop device");
        SLIPWAY_TRY(auto node, open_loop(static_cast<unsigned>(number),
                                         options.read_only ? O_RDONLY : O_RDWR));
        // Before there is anything to see: the kernel tells udev of partitions while it configures.
        // Who has the lock now is udev, for a moment, or another process that was faster.
        if (::flock(node.raw(), LOCK_EX | LOCK_NB) != 0) {
            std::this_thread::sleep_for(std::chrono::milliseconds(2));
            continue;
        }
        if (::ioctl(node.raw(), LOOP_CONFIGURE, &config) == 0)
            return LoopDevice(KernelDisk(fmt::format("loop{}", number), std::move(node),
                                         makedev(loop_major, static_cast<unsigned>(number))));
        if (errno == EINVAL && (config.info.lo_flags & LO_FLAGS_DIRECT_IO) != 0)
            config.info.lo_flags &= ~static_cast<unsigned>(LO_FLAGS_DIRECT_IO);
        else if (errno != EBUSY)
            return fail_errno("attaching a loop device");
    }
    return fail(Code::Busy, "other processes took every free loop device first", "try again");
}

std::vector<LoopDevice> LoopDevice::take_abandoned() {
    std::vector<LoopDevice> found;
    std::error_code ignored;
    for (const auto& entry : std::filesystem::directory_iterator("/sys/block", ignored)) {
        auto name = entry.path().filename().string();
        auto number = name.starts_with("loop") ? parse_number(name.substr(4)) : std::nullopt;
        auto backing_file = sys::read_file((entry.path() / "loop/backing_file").string());
        if (!number || !backing_file)
            continue;
        auto node = open_loop(static_cast<unsigned>(*number), O_RDONLY);
        if (node && has_our_mark(*node, *backing_file) && lock_abandoned(*node))
            found.push_back(LoopDevice(KernelDisk(
                name, std::move(*node), makedev(loop_major, static_cast<unsigned>(*number)))));
    }
    return found;
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
