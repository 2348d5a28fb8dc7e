// SPDX-License-Identifier: Apache-2.0
#include "enter/nodev.hpp"

#include <cerrno>

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace slipway::enter {
namespace {

// A remount of a bind replaces all flags of the mount, so those that it has are given again.
unsigned long mount_flags(unsigned long statvfs_flags) {
    // These have the same number in both; ST_RELATIME is the one that has not.
    constexpr unsigned long same =
        MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_NOATIME | MS_NODIRATIME;
    constexpr unsigned long relative = MS_RELATIME;
    return (statvfs_flags & same) | ((statvfs_flags & ST_RELATIME) != 0 ? relative : 0);
}

} // namespace

int set_nodev_below(const char* path) {
    struct mount_attr attributes {};
    attributes.attr_set = MOUNT_ATTR_NODEV;
    return ::syscall(SYS_mount_setattr, AT_FDCWD, path, AT_RECURSIVE, &attributes,
                     sizeof attributes) == 0
               ? 0
               : errno;
}

int set_nodev_one_by_one(std::span<const char* const> paths) {
    for (const char* path : paths) {
        struct statvfs info {};
        if (::statvfs(path, &info) != 0)
            return errno;
        if (::mount(nullptr, path, nullptr,
                    MS_REMOUNT | MS_BIND | MS_NODEV | mount_flags(info.f_flag), nullptr) != 0)
            return errno;
    }
    return 0;
}

bool has_mount_setattr() {
    return ::syscall(SYS_mount_setattr, -1, nullptr, 0, nullptr, 0) == 0 || errno != ENOSYS;
}

} // namespace slipway::enter
