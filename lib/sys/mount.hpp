// SPDX-License-Identifier: Apache-2.0
// Mount system calls with errors that name source and target. Needs CAP_SYS_ADMIN; every caller
// works in a mount namespace of its own.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"
#include "sys/fd.hpp"

namespace slipway::sys {

struct MountSpec {
    std::string source;
    std::string target; ///< a path of this process's own view, or /proc/self/fd/N
    std::string type;
    unsigned long flags = 0; ///< MS_*
    std::string options{};   ///< the filesystem's own, comma-separated
};
[[nodiscard]] Status mount(const MountSpec& spec);
[[nodiscard]] Status bind_mount(const std::string& source, const std::string& target);
struct MountPoint {
    std::string target;
    std::string root;          ///< the directory of its filesystem that is there: "/", or "/@"
    std::string source;        ///< as whoever mounted it called it: "/dev/sda1", "proc"
    bool is_read_only = false; ///< the filesystem, and so all its mounts
};
/// All of this process's namespace, in order (proc_pid_mountinfo(5)).
[[nodiscard]] Result<std::vector<MountPoint>> read_mounts();
/// Mounted filesystems at or below a path, outermost first, of this process's namespace.
[[nodiscard]] Result<std::vector<std::string>> mounts_below(const std::string& path);
/// The directory of its own filesystem that is the root of the topmost mount at `path`: "/" mostly,
/// "/@" for a btrfs subvolume. NotFound where nothing is mounted.
[[nodiscard]] Result<std::string> mounted_root(const std::string& path);
/// Unmounts at or below `path` in reverse order, trying all. Where one is busy it is detached
/// lazily, and the error names the processes that keep it.
[[nodiscard]] Status unmount_tree(const std::string& path);
/// Processes with a working directory, root, program or open file on the mount at `path`.
[[nodiscard]] std::vector<std::string> users_of_mount(const std::string& path);
/// unshare(CLONE_NEWNS) and make everything private.
[[nodiscard]] Status enter_private_mount_namespace();
/// A file through a read-only mount of its own, which no namespace shows and which lasts as long as
/// the file is in use: whoever gets hold of it there can change neither content nor attributes
/// (Linux 5.12, mount_setattr(2)). An O_PATH descriptor.
[[nodiscard]] Result<OwnedFd> open_read_only_mount(const std::string& file);
/// A directory, and all that is mounted below it, through mounts of its own where no device can be
/// opened (Linux 5.12). An O_PATH descriptor. Needs root.
[[nodiscard]] Result<OwnedFd> open_mount_without_devices(const std::string& directory);
/// Filesystem types that this kernel has now (/proc/filesystems).
[[nodiscard]] Result<std::vector<std::string>> kernel_filesystems();

} // namespace slipway::sys
