// SPDX-License-Identifier: Apache-2.0
// The mount ladder: one filesystem of an image, mounted in the way that suits it.
// Needs root (CAP_SYS_ADMIN) in a private mount namespace. The host's kernel parses the filesystem.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"
#include "mount/volumes.hpp"
#include "report/finding.hpp"
#include "sys/fd.hpp"

namespace slipway::mount {

struct MountOptions {
    /// Read-write, the journal is replayed. Otherwise nothing is written to the device, not even
    /// by recovery.
    bool writable = false;
    /// With `writable`, what is written ends with the session: then a layer in memory takes it
    /// where the filesystem is read-only by nature.
    bool dropped = false;
    std::string subvolume{};    ///< btrfs: path from the top level, or "" for the default subvolume
    std::string subvolume_id{}; ///< btrfs: digits; used where `subvolume` is ""
    /// Options of the filesystem itself that went through `allowed_fstab_options`.
    std::vector<std::string> extra{};
    bool insist = false; ///< an error where the kernel does not know one of `extra`
    /// Where it is not writable, the journal is replayed all the same: the device may be written.
    bool replay = false;
    unsigned long flags = 0; ///< further MS_*
    /// Nodes of further devices of the same btrfs filesystem.
    std::vector<std::string> other_nodes{};
};

enum class Journal {
    Clean,    ///< or the filesystem has none, or it cannot be told
    Skipped,  ///< waits for recovery, and was left so: what is seen may be older than what was
              ///< written
    Replayed, ///< waited for recovery, and the mount replayed it
};

/// A mounted filesystem. The destructor detaches what `unmount` has not unmounted.
class MountedVolume {
public:
    MountedVolume(MountedVolume&& other) noexcept;
    MountedVolume& operator=(MountedVolume&& other) noexcept;
    ~MountedVolume();

    [[nodiscard]] const std::string& target() const { return target_; }
    [[nodiscard]] const std::string& volume() const { return volume_; }
    /// btrfs: path of the mounted subvolume from the top level, found out where it was not given;
    /// "" for the top level.
    [[nodiscard]] const std::string& subvolume() const { return subvolume_; }
    [[nodiscard]] bool writable() const { return writable_; }
    [[nodiscard]] Journal journal() const { return journal_; }
    /// Steps that were taken because the plain mount failed.
    [[nodiscard]] const report::Findings& findings() const { return findings_; }
    /// Unmounts the topmost mount at the target. Busy while a file or RootDir on it is open.
    [[nodiscard]] Status unmount();
    /// Root of a subvolume below the mounted top level of a btrfs filesystem. NotFound: no such
    /// subvolume; a symbolic link or plain directory of that name is none.
    [[nodiscard]] Result<sys::OwnedFd> open_subvolume(const std::string& subvolume) const;
    /// The top level of a btrfs filesystem gives way to one of its subvolumes, which costs a tenth
    /// of mounting it again. Errors of `open_subvolume` and `unmount`.
    [[nodiscard]] Status narrow_to_subvolume(const std::string& subvolume);
    /// Hands the duty of unmounting to the caller.
    void release() { mounted_ = false; }

private:
    friend Result<MountedVolume> mount_volume(const MountableVolume&, const std::string&,
                                              const MountOptions&);
    MountedVolume() = default;
    std::string target_;
    std::string volume_;
    std::string subvolume_;
    bool writable_ = false;
    Journal journal_ = Journal::Clean;
    report::Findings findings_;
    bool mounted_ = false;
};

/// Mounts at a directory of this process's own view without symbolic links, or at /proc/self/fd/N.
/// The type is the one that was probed, never the guest's choice or the kernel's guess, and must be
/// one of those that we mount at all. Always nodev; set-uid programs keep working, because the
/// guest's tools are to behave as at home. Filesystems that are read-only by nature are mounted so
/// even if `writable` was asked (see `MountedVolume::writable`), unless what is written is dropped.
/// What the kernel refuses as damaged goes down the ladder: where the disk may be written (an
/// overlay, always) the filesystem's own tool repairs what it can without a question; where only a
/// look is wanted, or what is written is dropped, a mount follows that puts up with damage. Each
/// such step is a finding.
/// The types "directory" and "tar" are ours: there the node is a directory.
/// NTFS is mounted through ntfs-3g where the kernel has no ntfs3.
/// Unsupported: the kernel lacks the type, or it is no filesystem (LVM, LUKS, …), with the remedy.
/// Corrupt: the kernel refuses it. Permission: the device is read-only. NotFound: no node, or no
/// such subvolume.
[[nodiscard]] Result<MountedVolume>
mount_volume(const MountableVolume& volume, const std::string& target, const MountOptions& options);

/// Whether the type, as libblkid names it, is one that `mount_volume` tries.
[[nodiscard]] bool is_mountable_type(std::string_view type);
/// Whether this kernel has a driver for it, by trying: it loads the module that it is asked for.
[[nodiscard]] bool kernel_mounts(std::string_view type);
/// What stands between us and the files of a volume of this type: "LVM", "LUKS", "MD", …; "" for
/// all others.
[[nodiscard]] std::string_view container_of_type(std::string_view type);
/// What a user can do about a volume that is such a container.
inline constexpr std::string_view container_remedy =
    "open it on a machine that can (cryptsetup, vgchange, mdadm) and give slipway the block device "
    "that appears";

} // namespace slipway::mount
