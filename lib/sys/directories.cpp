// SPDX-License-Identifier: Apache-2.0
#include "sys/directories.hpp"

#include <cerrno>
#include <filesystem>

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <sys/stat.h>

#include <fmt/format.h>

namespace slipway::sys {

namespace {

// Directories in one with this mark are placed by their name (find_group_orlov in the same file).
// Returns whether it was not set before.
bool mark_top(BorrowedFd directory, bool wanted) {
    int flags = 0;
    if (::ioctl(directory.raw(), FS_IOC_GETFLAGS, &flags) != 0 ||
        ((flags & FS_TOPDIR_FL) != 0) == wanted)
        return false;
    flags ^= FS_TOPDIR_FL;
    return ::ioctl(directory.raw(), FS_IOC_SETFLAGS, &flags) == 0;
}

} // namespace

Status make_scattered_directory(BorrowedFd parent, const std::string& name, mode_t mode) {
    std::uint64_t number = 0;
    (void)::getrandom(&number, sizeof number, 0);
    // A name that was never used leads to a place that was not used just before.
    auto passing = fmt::format(".{:016x}", number);
    bool marked = mark_top(parent, true);
    int made = ::mkdirat(parent.raw(), passing.c_str(), mode);
    int reason = errno;
    if (marked)
        mark_top(parent, false);
    if (made != 0)
        return fail_errno(name, reason);
    if (::fchmodat(parent.raw(), passing.c_str(), mode, 0) != 0 ||
        ::renameat(parent.raw(), passing.c_str(), parent.raw(), name.c_str()) != 0)
        return fail_errno(name);
    return {};
}

Result<std::string> user_directory(const char* variable, const char* fallback, const char* name) {
    if (const char* base = std::getenv(variable); base != nullptr && *base == '/')
        return fmt::format("{}/slipway/{}", base, name);
    if (const char* home = std::getenv("HOME"); home != nullptr && *home == '/')
        return fmt::format("{}/{}/slipway/{}", home, fallback, name);
    return fail(Code::NotFound, fmt::format("neither {} nor HOME is set", variable),
                fmt::format("set {} to a directory of yours", variable));
}

Status make_directories(const std::string& path) {
    std::error_code failed;
    std::filesystem::create_directories(path, failed);
    if (failed)
        return fail_errno(fmt::format("making the directory {}", path), failed.value());
    return {};
}

} // namespace slipway::sys
