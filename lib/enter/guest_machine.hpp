// SPDX-License-Identifier: Apache-2.0
// What /proc, /sys and /dev of the guest say about its machine. Pure functions of its description.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "enter/enter.hpp"
#include "enter/script.hpp"

namespace slipway::enter {

/// A directory entry of the stage; paths are relative to its top.
struct TreeEntry {
    enum class Kind { Directory, File, Link };
    Kind kind;
    std::string path;
    std::string text{}; ///< content of a file, target of a link
};
using Tree = std::vector<TreeEntry>;

/// Formats as of proc(5): /proc/partitions and /proc/diskstats with the guest's disks only.
[[nodiscard]] std::string render_proc_partitions(const RootSpec& spec);
[[nodiscard]] std::string render_proc_diskstats(const RootSpec& spec);

/// Processors as the host's /sys/devices/system/cpu lists them, "0-3".
struct CpuLists {
    std::string online, possible, present;
};
/// A whole /sys, below "sys/". Disks named vd* hang on virtio devices with their modaliases, so
/// that generators which ask sysfs what the machine needs find virtio there.
[[nodiscard]] Tree plan_sys_tree(const RootSpec& spec, const CpuLists& cpus);

/// What udev would know of the partitions, below "udev/": lsblk, findmnt and dracut ask its
/// database in /run/udev/data for types and UUIDs.
[[nodiscard]] Tree plan_udev_database(const RootSpec& spec);

/// A /dev, from the tmpfs to its devpts.
[[nodiscard]] Script plan_dev(const RootSpec& spec);
/// The kernel's console belongs to the host; a command with a terminal gets that one as
/// /dev/console.
[[nodiscard]] Step console_link();

/// An entry at the top of the host's /proc that is not a process.
struct ProcEntry {
    std::string name;
    bool directory = false;
    bool link = false;
};
/// Replaces, covers or makes read-only each entry that does not belong to the calling process. What
/// is not known to be harmless is covered: uid 0 may write in /proc without any capability, and
/// kernels differ in what they have there.
[[nodiscard]] Script plan_proc_masks(std::span<const ProcEntry> entries);

/// A name as udev writes it in links below /dev/disk: all but letters, digits, "#+-.:=@_" and valid
/// UTF-8 becomes \xNN (encode_devnode_name in systemd's src/shared/device-nodes.c).
[[nodiscard]] std::string encode_udev_name(std::string_view text);

// Names in the stage that the plans refer to.
inline constexpr auto empty_file = "empty";
inline constexpr auto empty_directory = "empty.d";
inline constexpr auto replaced_directory = "proc";
inline constexpr auto udev_directory = "udev";

} // namespace slipway::enter
