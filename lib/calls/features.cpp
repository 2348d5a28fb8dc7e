// SPDX-License-Identifier: Apache-2.0
// Calls that ask what this machine can do, and whether it is there.
#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "base/strings.hpp"
#include "calls/bind.hpp"
#include "calls/registry.hpp"
#include "storage/device_mapper.hpp"
#include "sys/process.hpp"

namespace slipway::calls {
namespace {

using Strings = std::vector<std::string>;

/// A group of libguestfs's optional calls.
struct Feature {
    enum Kernel { Any, Mapper, Arrays };

    std::string_view name;
    std::string_view call; ///< one of them, which stands for all
    std::string program{}; ///< that they run
    Kernel kernel = Any;   ///< what it must have
};

const Feature features[] = {{"acl", "acl_get_file"},
                            {"augeas", "aug_init"},
                            {"blkdiscard", "blkdiscard"},
                            {"blkdiscardzeroes", "blkdiscardzeroes"},
                            {"btrfs", "btrfs_subvolume_list", "btrfs"},
                            {"extlinux", "extlinux"},
                            {"f2fs", "f2fs_expand"},
                            {"fstrim", "fstrim"},
                            {"gdisk", "part_set_gpt_type"},
                            {"grub", "grub_install"},
                            {"hivex", "hivex_open"},
                            {"inotify", "inotify_init"},
                            {"journal", "journal_open"},
                            {"ldm", "ldmtool_create_all"},
                            {"libtsk", "filesystem_walk"},
                            {"libyara", "yara_load"},
                            {"linuxcaps", "cap_get_file"},
                            {"linuxfsuuid", "swapon_uuid"},
                            {"linuxmodules", "modprobe"},
                            {"linuxxattrs", "getxattrs"},
                            {"luks", "luks_open", "", Feature::Mapper},
                            {"lvm2", "lvcreate", "lvm", Feature::Mapper},
                            {"mdadm", "md_create", "mdadm", Feature::Arrays},
                            {"mknod", "mknod"},
                            {"ntfs3g", "ntfs_3g_probe", "ntfs-3g.probe"},
                            {"ntfsprogs", "ntfsresize", "ntfsresize"},
                            {"realpath", "realpath"},
                            {"rsync", "rsync"},
                            {"scrub", "scrub_file"},
                            {"selinux", "getcon"},
                            {"selinuxrelabel", "selinux_relabel"},
                            {"sleuthkit", "download_inode"},
                            {"squashfs", "mksquashfs"},
                            {"syslinux", "syslinux"},
                            {"wipefs", "wipefs"},
                            {"xfs", "xfs_growfs", "xfs_growfs"},
                            {"xz", "txz_in", "xz"},
                            {"zerofree", "zerofree", "zerofree"}};

bool is_there(const Machine& machine, const Feature& feature) {
    return find_call(feature.call) != nullptr &&
           (feature.program.empty() || sys::find_program(feature.program)) &&
           (feature.kernel != Feature::Mapper || storage::need_device_mapper(feature.name)) &&
           (feature.kernel != Feature::Arrays ||
            (machine.own_kernel && storage::need_md(feature.name)));
}

Result<Strings> missing(const Machine& machine, const Strings& groups) {
    Strings missing;
    for (const auto& group : groups) {
        const auto* found = std::find_if(std::begin(features), std::end(features),
                                         [&](const auto& each) { return each.name == group; });
        if (found == std::end(features))
            return fail(Code::InvalidArgument, fmt::format("{}: unknown group", printable(group)),
                        "available_all_groups lists them");
        if (!is_there(machine, *found))
            missing.push_back(group);
    }
    return missing;
}

Result<bool> feature_available(Machine& machine, const Strings& groups) {
    SLIPWAY_TRY(auto lacking, missing(machine, groups));
    return lacking.empty();
}
Status available(Machine& machine, const Strings& groups) {
    SLIPWAY_TRY(auto lacking, missing(machine, groups));
    if (lacking.empty())
        return {};
    return fail(Code::Unsupported, fmt::format("{}: not available here", join(lacking, ", ")));
}
Result<Strings> available_all_groups(Machine&) {
    Strings names;
    for (const auto& feature : features)
        names.emplace_back(feature.name);
    return names;
}

Status ping_daemon(Machine&) {
    return {};
}
Result<std::string> echo_daemon(Machine&, const Strings& words) {
    return join(words, " ");
}

Status drop_caches(Machine& machine, std::int64_t what) {
    if (what < 1 || what > 3)
        return fail(Code::InvalidArgument, "1 drops pages, 2 directory entries and inodes, 3 both");
    // Those of a host are for all who use it.
    return machine.own_kernel ? sys::write_file("/proc/sys/vm/drop_caches", std::to_string(what))
                              : Status{};
}

} // namespace

Calls features_calls() {
    static constexpr Call calls[] = {
        {"available", bind<available>},
        {"available_all_groups", bind<available_all_groups>},
        {"drop_caches", bind<drop_caches>},
        {"echo_daemon", bind<echo_daemon>},
        {"feature_available", bind<feature_available>},
        {"ping_daemon", bind<ping_daemon>},
    };
    return calls;
}

} // namespace slipway::calls
