// SPDX-License-Identifier: Apache-2.0
// A guest's filesystems mounted as its fstab says, below one directory.
// Needs root in a private mount namespace, and /proc.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "mount/ladder.hpp"
#include "mount/volumes.hpp"
#include "report/finding.hpp"
#include "sys/root_dir.hpp"

namespace slipway::mount {

struct TreeRequest {
    std::string root; ///< "sda2" or "btrfs:sda2/@"
    bool writable = false;
    bool dropped = false; ///< see MountOptions
};

/// Mounts in path order. Mount points are resolved by the kernel inside the root, so a symbolic
/// link of the guest leads to a place in the guest. Not mounted: swap, network and pseudo
/// filesystems, binds, "noauto" (unless it is /boot, /boot/efi or /efi), and anything at or below
/// /proc, /sys, /dev and /run. "ro" of the guest's fstab is not followed: repairs must write to
/// /boot. What cannot be mounted becomes a finding; an error is only what concerns the root itself.
class MountTree {
public:
    /// `target` is an existing directory, best empty. A root that `guest::find_systems` left
    /// mounted there can be handed over: it is used as it is, or mounted again where it must be
    /// writable.
    [[nodiscard]] static Result<MountTree> mount(const Volumes& volumes, const TreeRequest& request,
                                                 const std::string& target,
                                                 std::optional<MountedVolume> mounted_root = {});
    MountTree(MountTree&&) noexcept;
    MountTree& operator=(MountTree&&) = delete;
    /// Detaches what `unmount` has not unmounted.
    ~MountTree();

    [[nodiscard]] const sys::RootDir& root() const { return *root_; }
    [[nodiscard]] const std::string& target() const { return target_; }
    /// Volume name of /, with its subvolume where it is one: "btrfs:sda2/@".
    [[nodiscard]] const std::string& root_name() const { return root_name_; }
    /// Guest path as resolved -> volume name.
    [[nodiscard]] const std::map<std::string, std::string>& mountpoints() const {
        return mountpoints_;
    }
    /// Mount points of the guest's fstab that should be mounted and are not, -> why. What is
    /// written below them is out of sight once the guest runs.
    [[nodiscard]] const std::map<std::string, std::string>& missing() const { return missing_; }
    /// Volumes whose journal waits for recovery and was left so.
    [[nodiscard]] const std::vector<std::string>& dirty_volumes() const { return dirty_; }
    [[nodiscard]] const report::Findings& findings() const { return findings_; }
    /// Writes back, closes `root()` and unmounts in reverse order, trying all. What could not be
    /// written is an error. Busy names who keeps one; it is then detached all the same.
    [[nodiscard]] Status unmount();

private:
    friend class TreeBuilder;
    MountTree() = default;
    [[nodiscard]] Status sync() const;

    std::string target_;
    std::string root_name_;
    std::optional<sys::RootDir> root_;
    std::map<std::string, std::string> mountpoints_;
    std::map<std::string, std::string> missing_;
    std::vector<std::string> dirty_;
    report::Findings findings_;
    bool mounted_ = false;
};

} // namespace slipway::mount
