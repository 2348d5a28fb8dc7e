// SPDX-License-Identifier: Apache-2.0
#include "mount/forget.hpp"

#include <algorithm>

#include <fcntl.h>
#include <linux/btrfs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "sys/fd.hpp"

namespace slipway::mount {
namespace {

constexpr auto control_path = "/dev/.slipway-btrfs-control";
constexpr unsigned misc_major = 10, btrfs_minor = 234; // Documentation/admin-guide/devices.txt

} // namespace

void forget_btrfs_devices(const Volumes& volumes) {
    auto is_btrfs = [](const MountableVolume& each) {
        return each.volume.type == "btrfs" && !each.node.empty();
    };
    if (std::none_of(volumes.begin(), volumes.end(), is_btrfs) ||
        ::mknod(control_path, S_IFCHR | 0600, makedev(misc_major, btrfs_minor)) != 0)
        return;
    auto control = sys::open_file(control_path, O_RDWR);
    ::unlink(control_path);
    if (!control)
        return;
    for (const auto& each : volumes)
        if (btrfs_ioctl_vol_args named{}; is_btrfs(each)) {
            each.node.copy(named.name, sizeof named.name - 1);
            (void)::ioctl(control->raw(), BTRFS_IOC_FORGET_DEV, &named);
        }
}

} // namespace slipway::mount
