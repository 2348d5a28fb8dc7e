// SPDX-License-Identifier: Apache-2.0
#include "boot/device_node.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <fmt/format.h>

#include "base/strings.hpp"

namespace slipway::boot {

Result<sys::OwnedFd> open_device(const std::string& path, DeviceMajor kind, int flags) {
    SLIPWAY_TRY(auto named, sys::open_file(path, O_PATH)); // which opens no device yet
    struct stat info {};
    if (::fstat(named.raw(), &info) != 0)
        return fail_errno(fmt::format("looking at {}", printable(path)));
    if (!S_ISCHR(info.st_mode) || major(info.st_rdev) != static_cast<unsigned>(kind))
        return fail(Code::Unsupported,
                    fmt::format("{} is not the device that it is called", printable(path)));
    return sys::open_file(sys::proc_path(named.raw()), flags);
}

} // namespace slipway::boot
