// SPDX-License-Identifier: Apache-2.0
#include <utility>

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include <fmt/format.h>

#include "base/strings.hpp"
#include "mount/ladder.hpp"
#include "sys/root_dir.hpp"

namespace slipway::mount {

MountedVolume::MountedVolume(MountedVolume&& other) noexcept
    : target_(std::move(other.target_)), volume_(std::move(other.volume_)),
      subvolume_(std::move(other.subvolume_)), writable_(other.writable_), journal_(other.journal_),
      findings_(std::move(other.findings_)), mounted_(std::exchange(other.mounted_, false)) {}

MountedVolume& MountedVolume::operator=(MountedVolume&& other) noexcept {
    if (this != &other) {
        std::swap(target_, other.target_);
        std::swap(volume_, other.volume_);
        std::swap(subvolume_, other.subvolume_);
        std::swap(writable_, other.writable_);
        std::swap(journal_, other.journal_);
        std::swap(findings_, other.findings_);
        std::swap(mounted_, other.mounted_);
    }
    return *this;
}

MountedVolume::~MountedVolume() {
    if (mounted_)
        ::umount2(target_.c_str(), UMOUNT_NOFOLLOW | MNT_DETACH);
}

Status MountedVolume::unmount() {
    if (!mounted_)
        return {};
    if (::umount2(target_.c_str(), UMOUNT_NOFOLLOW) != 0)
        return fail_errno(fmt::format("unmounting {}", volume_));
    mounted_ = false;
    return {};
}

Result<sys::OwnedFd> MountedVolume::open_subvolume(const std::string& subvolume) const {
    if (!is_safe_subvolume(subvolume))
        return fail(Code::InvalidArgument,
                    fmt::format("'{}' is no name of a subvolume", printable(subvolume)));
    SLIPWAY_TRY(auto top, sys::RootDir::open(target_));
    SLIPWAY_TRY(auto directory,
                top.open_path(sys::GuestPath(subvolume), O_PATH | O_DIRECTORY | O_NOFOLLOW));
    struct stat info {};
    // The root of every subvolume has this inode number, and no other directory below the top
    // (BTRFS_FIRST_FREE_OBJECTID of linux/btrfs_tree.h).
    constexpr ino_t subvolume_root = 256;
    if (::fstat(directory.raw(), &info) != 0 || info.st_ino != subvolume_root)
        return fail(Code::NotFound, fmt::format("{} of {} is no subvolume", subvolume, volume_));
    return directory;
}

Status MountedVolume::narrow_to_subvolume(const std::string& subvolume) {
    sys::OwnedFd clone;
    {
        SLIPWAY_TRY(auto directory, open_subvolume(subvolume));
        clone = sys::OwnedFd(
            ::open_tree(directory.raw(), "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH));
    }
    if (!clone.valid())
        return fail_errno(fmt::format("mounting subvolume {} of {}", subvolume, volume_));
    SLIPWAY_CHECK(unmount());
    if (::move_mount(clone.raw(), "", AT_FDCWD, target_.c_str(), MOVE_MOUNT_F_EMPTY_PATH) != 0)
        return fail_errno(fmt::format("mounting subvolume {} of {}", subvolume, volume_));
    mounted_ = true;
    subvolume_ = subvolume;
    return {};
}

} // namespace slipway::mount
