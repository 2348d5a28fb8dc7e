// SPDX-License-Identifier: Apache-2.0
#include "mount/ladder.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <fmt/format.h>

#include "base/strings.hpp"
#include "mount/check.hpp"
#include "mount/layer.hpp"
#include "mount/ntfs_3g.hpp"
#include "mount/superblock.hpp"
#include "sys/fd.hpp"
#include "sys/mount.hpp"
#include "sys/root_dir.hpp"

namespace slipway::mount {
namespace {

using Names = std::array<std::string_view, 2>;

/// How a type is mounted. An empty name or option is not used, except that the first of
/// `read_only` may be empty: then there is no journal to keep the kernel from.
struct Recipe {
    std::string_view type; ///< as libblkid names it
    Names drivers;         ///< as the kernel names it, tried in turn
    std::string_view always;
    Names read_only; ///< what keeps a read-only mount from replaying the journal, tried in turn
    bool never_writable = false;
    std::string_view rescue{}; ///< for a read-only mount of what is damaged
};
// An ext superblock can ask for a panic of the kernel on an error ("tune2fs -e panic"): errors=
// overrides it. xfs and btrfs know panics only by mount options. See ext4(5), xfs(5), btrfs(5).
constexpr std::string_view no_panic = "errors=remount-ro";
constexpr std::string_view bind = "bind";       // no driver: the node is a directory
constexpr std::string_view ntfs_3g = "ntfs-3g"; // a program
constexpr std::array recipes{
    Recipe{"ext4", {"ext4", ""}, no_panic, {"noload", ""}},
    Recipe{"ext3", {"ext3", "ext4"}, no_panic, {"noload", ""}},
    Recipe{"ext2", {"ext2", "ext4"}, no_panic, {"", ""}},
    Recipe{"xfs", {"xfs", ""}, "nouuid", {"norecovery", ""}},
    Recipe{"btrfs", {"btrfs", ""}, "", {"rescue=nologreplay", "nologreplay"}, false, "rescue=all"},
    Recipe{"f2fs", {"f2fs", ""}, "", {"norecovery", ""}},
    Recipe{"vfat", {"vfat", ""}, "", {"", ""}},
    Recipe{"exfat", {"exfat", ""}, "", {"", ""}},
    Recipe{"ntfs", {"ntfs3", ntfs_3g}, "", {"", ""}},
    // The kernel does not find out which one it is: FreeBSD's and NetBSD's, or OpenBSD's.
    Recipe{"ufs", {"ufs", ""}, "", {"ufstype=ufs2", "ufstype=44bsd"}, true},
    Recipe{"squashfs", {"squashfs", ""}, "", {"", ""}, true},
    Recipe{"erofs", {"erofs", ""}, "", {"", ""}, true},
    Recipe{"iso9660", {"iso9660", ""}, "", {"", ""}, true},
    Recipe{"udf", {"udf", ""}, "", {"", ""}, true},
    Recipe{"zfs", {"zfs", ""}, "", {"", ""}},
    Recipe{"directory", {bind, ""}, "", {"", ""}, true},
    Recipe{"tar", {bind, ""}, "", {"", ""}},
};

const Recipe* recipe_for(std::string_view type) {
    const auto* found = std::find_if(recipes.begin(), recipes.end(),
                                     [&](const auto& recipe) { return recipe.type == type; });
    return found == recipes.end() ? nullptr : &*found;
}

bool is_read_only_device(const std::string& node) {
    auto fd = sys::open_file(node, O_RDONLY);
    int read_only = 0;
    return fd && ::ioctl(fd->raw(), BLKROGET, &read_only) == 0 && read_only != 0;
}

// /proc/self/fd/N names another file once N is closed; the path behind it stays.
std::string lasting_path(const std::string& target) {
    if (!target.starts_with("/proc/self/fd/"))
        return target;
    std::string path(4096, '\0');
    auto size = ::readlink(target.c_str(), path.data(), path.size());
    return size < 0 ? target : path.substr(0, static_cast<std::size_t>(size));
}

std::string comma_list(std::vector<std::string> parts) {
    std::erase_if(parts, [](const auto& part) { return part.empty(); });
    return join(parts, ",");
}

std::vector<std::string> subvolume_options(const MountOptions& options) {
    if (!options.subvolume.empty())
        return {"subvol=" + options.subvolume};
    if (!options.subvolume_id.empty())
        return {"subvolid=" + options.subvolume_id};
    return {};
}

Status check_request(const MountableVolume& volume, const MountOptions& options) {
    const auto& record = volume.volume;
    if (recipe_for(record.type) == nullptr) {
        auto container = container_of_type(record.type);
        if (!container.empty())
            return fail(
                Code::Unsupported,
                fmt::format("{} is {}, which this engine cannot open", record.name, container),
                std::string(container_remedy));
        return fail(Code::Unsupported,
                    fmt::format("{} holds no filesystem that can be mounted ({})", record.name,
                                record.type.empty() ? "unknown" : record.type));
    }
    if (volume.node.empty())
        return fail(Code::NotFound, fmt::format("{} has no device here", record.name));
    if (!options.subvolume.empty() && !is_safe_subvolume(options.subvolume))
        return fail(Code::InvalidArgument,
                    fmt::format("'{}' is no name of a subvolume", printable(options.subvolume)));
    return {};
}

/// One mount(2) at a time, with the volume's name in place of its node in every error.
class Ladder {
public:
    Ladder(const MountableVolume& volume, const std::string& target, const MountOptions& options)
        : volume_(volume), target_(target), options_(options),
          recipe_(*recipe_for(volume.volume.type)),
          devices_(device_count(volume.node, volume.volume.type)) {}

    /// Each rung is tried where the one above found damage.
    [[nodiscard]] Result<Journal> climb(bool writable) {
        if (recipe_.drivers[0] == bind) {
            SLIPWAY_CHECK(bind_tree(volume_.node, target_, writable));
            return Journal::Clean;
        }
        auto mounted = try_plainly(writable);
        if (!mounted && lacks_devices() && !writable && try_rung("degraded", MS_RDONLY)) {
            note("btrfs-degraded", lack() + ": files may be missing", std::string(lack_remedy));
            mounted = Journal::Clean;
        }
        if (is_damage(mounted) && !is_read_only_device(volume_.node) &&
            !std::exchange(repaired_, true) && repair(mounted.error()))
            mounted = try_plainly(writable);
        if (is_damage(mounted) && !writable && !recipe_.rescue.empty() &&
            try_rung(recipe_.rescue, MS_RDONLY)) {
            note("mount-rescued",
                 fmt::format("{} is damaged and was mounted with {}: files may be missing or wrong",
                             volume_.volume.name, recipe_.rescue));
            mounted = Journal::Skipped;
        }
        if (is_damage(mounted) && !gave_up_.empty())
            mounted.error().what += "; " + gave_up_;
        return mounted;
    }

    void note(std::string id, std::string text,
              std::string remedy = "copy the image again from its origin, or check the filesystem "
                                   "in the guest") {
        findings_.push_back({.id = std::move(id),
                             .severity = report::Severity::Warning,
                             .where = volume_.volume.name,
                             .text = std::move(text),
                             .remedy = std::move(remedy)});
    }
    [[nodiscard]] report::Findings take_findings() { return std::move(findings_); }

    [[nodiscard]] static bool is_damage(const Result<Journal>& mounted) {
        return !mounted && mounted.error().code == Code::Corrupt;
    }
    [[nodiscard]] bool lacks_devices() const { return devices_ > options_.other_nodes.size() + 1; }

private:
    [[nodiscard]] bool repair(const Error& why) {
        auto checked = check_filesystem(volume_.node, volume_.volume.type);
        if (!checked && checked.error().code == Code::Unsupported)
            return false;
        auto came_to = checked ? checked->words : checked.error().what;
        note(checked ? "filesystem-repaired" : "filesystem-damaged",
             replace_all(fmt::format("{} could not be mounted ({}). {}", volume_.volume.name,
                                     std::strerror(why.errno_value), came_to),
                         volume_.node, volume_.volume.name));
        if (!checked)
            gave_up_ = replace_all(came_to, volume_.node, volume_.volume.name);
        return checked.has_value();
    }

    [[nodiscard]] Result<Journal> try_plainly(bool writable) {
        auto before = journal_needs_recovery(volume_.node, volume_.volume.type);
        if (writable || options_.replay) {
            SLIPWAY_CHECK(try_rung("", writable ? 0 : MS_RDONLY));
            return before == true ? Journal::Replayed : Journal::Clean;
        }
        // xfs does not tell whether its log is clean, but it refuses to mount a dirty one from a
        // read-only device (EROFS), where it cannot replay it.
        if (!before && is_read_only_device(volume_.node)) {
            auto plain = try_rung("", MS_RDONLY);
            if (plain)
                return Journal::Clean;
            if (plain.error().errno_value != EROFS)
                return fail(std::move(plain).error());
            before = true;
        }
        SLIPWAY_CHECK(try_without_replay());
        return before == true ? Journal::Skipped : Journal::Clean;
    }

    [[nodiscard]] Status try_without_replay() {
        auto first = try_rung(recipe_.read_only[0], MS_RDONLY);
        if (first || recipe_.read_only[1].empty() || first.error().errno_value != EINVAL)
            return first;
        return try_rung(recipe_.read_only[1], MS_RDONLY);
    }

    [[nodiscard]] Status try_rung(std::string_view option, unsigned long flags) {
        auto parts = subvolume_options(options_);
        parts.emplace_back(recipe_.always);
        parts.emplace_back(option);
        auto plain = comma_list(parts);
        if (!options_.extra.empty()) {
            // Wishes only: a kernel that does not know them refuses with EINVAL.
            auto wished =
                try_drivers(fmt::format("{},{}", join(options_.extra, ","), plain), flags);
            if (wished || wished.error().errno_value != EINVAL)
                return wished;
            if (options_.insist)
                return blame_options(std::move(wished).error(), plain, flags);
        }
        auto result = try_drivers(plain, flags);
        if (result || options_.other_nodes.empty())
            return result;
        for (const auto& node : options_.other_nodes)
            parts.push_back("device=" + node);
        return try_drivers(comma_list(parts), flags);
    }

    // The kernel says EINVAL of an option, and of damage: without the options it is the damage.
    [[nodiscard]] Status blame_options(Error error, const std::string& plain, unsigned long flags) {
        if (!try_drivers(plain, flags | MS_RDONLY))
            return fail(std::move(error));
        ::umount2(target_.c_str(), MNT_DETACH);
        error.code = Code::InvalidArgument;
        error.hint = fmt::format("one of the options '{}' is unknown, or has no such value",
                                 printable(join(options_.extra, ",")));
        return fail(std::move(error));
    }

    [[nodiscard]] Status try_drivers(const std::string& options, unsigned long flags) {
        for (auto driver : recipe_.drivers) {
            if (driver.empty())
                continue;
            if (driver == ntfs_3g)
                return through_ntfs_3g((flags & MS_RDONLY) != 0);
            if (::mount(volume_.node.c_str(), target_.c_str(), std::string(driver).c_str(),
                        flags | options_.flags | MS_NODEV,
                        options.empty() ? nullptr : options.c_str()) == 0)
                return {};
            if (errno != ENODEV)
                return explain(errno, driver);
        }
        return explain(ENODEV, recipe_.drivers[0]);
    }

    [[nodiscard]] Status through_ntfs_3g(bool read_only) const {
        auto mounted = mount_with_ntfs_3g(volume_.node, lasting_path(target_), read_only);
        if (!mounted)
            return fail(
                std::move(mounted.error()).in(fmt::format("mounting {}", volume_.volume.name)));
        return mounted;
    }

    [[nodiscard]] Status explain(int errno_value, std::string_view driver) const {
        const auto& name = volume_.volume.name;
        auto error = os_error(fmt::format("mounting {} ({})", name, driver), errno_value);
        if (lacks_devices() &&
            (error.code == Code::Corrupt || errno_value == EINVAL || errno_value == ENOENT))
            return fail(Code::Unsupported, lack(), std::string(lack_remedy));
        switch (errno_value) {
        case ENODEV:
            error.code = Code::Unsupported;
            error.what =
                fmt::format("this kernel has no {}, so {} cannot be mounted", driver, name);
            error.hint = fmt::format("modprobe {}, or use a machine whose kernel has it", driver);
            break;
        case EROFS:
            error.code = Code::Permission;
            break;
        case EEXIST:
            error.code = Code::Busy;
            error.hint = "this kernel has another copy of it open, or remembers one (btrfs device "
                         "scan --forget); or --engine sandbox";
            break;
        case EINVAL:
        case EUCLEAN:
        case EBADMSG:
        case EIO:
            error.code = Code::Corrupt;
            error.hint = "the filesystem is damaged, or has features that this kernel lacks; the "
                         "kernel's log says which";
            break;
        default:
            break;
        }
        return fail(std::move(error));
    }

    [[nodiscard]] std::string lack() const {
        auto there = options_.other_nodes.size() + 1;
        return fmt::format("{} is of a btrfs filesystem of {} devices, of which {} {} here",
                           volume_.volume.name, devices_, there, there == 1 ? "is" : "are");
    }

    static constexpr std::string_view lack_remedy =
        "give the images of all its disks: --disk FILE for each further one";
    const MountableVolume& volume_;
    const std::string& target_;
    const MountOptions& options_;
    const Recipe& recipe_;
    report::Findings findings_;
    std::uint64_t devices_; ///< as its superblock says
    bool repaired_ = false; ///< or tried to
    std::string gave_up_{}; ///< why it could not
};

} // namespace

Result<MountedVolume> mount_volume(const MountableVolume& volume, const std::string& target,
                                   const MountOptions& options) {
    SLIPWAY_CHECK(check_request(volume, options));
    MountedVolume mounted;
    mounted.volume_ = volume.volume.name;
    mounted.writable_ = options.writable && !recipe_for(volume.volume.type)->never_writable;
    mounted.target_ = lasting_path(target);
    Ladder ladder(volume, target, options);
    auto journal = ladder.climb(mounted.writable_);
    if ((Ladder::is_damage(journal) || (!journal && ladder.lacks_devices())) && mounted.writable_ &&
        options.dropped) {
        mounted.writable_ = false;
        journal = ladder.climb(false);
        if (journal)
            ladder.note("mounted-read-only",
                        fmt::format("{} {} and could only be mounted read-only: what is written "
                                    "goes to memory",
                                    mounted.volume_,
                                    ladder.lacks_devices() ? "lacks devices" : "is damaged"));
    }
    SLIPWAY_TRY(mounted.journal_, std::move(journal));
    mounted.findings_ = ladder.take_findings();
    mounted.mounted_ = true;
    if (options.writable && options.dropped && !mounted.writable_) {
        SLIPWAY_CHECK(put_layer(mounted.target_));
        mounted.writable_ = true;
    }
    mounted.subvolume_ = options.subvolume;
    if (volume.volume.type == "btrfs" && options.subvolume.empty())
        if (auto directory = sys::mounted_root(mounted.target_))
            mounted.subvolume_ = directory->substr(1);
    return mounted;
}

bool is_mountable_type(std::string_view type) {
    return recipe_for(type) != nullptr;
}

bool kernel_mounts(std::string_view type) {
    const auto* recipe = recipe_for(type);
    if (recipe == nullptr)
        return false;
    return std::any_of(recipe->drivers.begin(), recipe->drivers.end(), [](std::string_view driver) {
        if (driver.empty() || driver == ntfs_3g)
            return false;
        int context = static_cast<int>(
            ::syscall(SYS_fsopen, std::string(driver).c_str(), 1)); // FSOPEN_CLOEXEC
        if (context >= 0)
            ::close(context);
        return context >= 0 || errno != ENODEV;
    });
}

std::string_view container_of_type(std::string_view type) {
    if (type == "LVM2_member" || type == "LVM1_member")
        return "LVM";
    if (type == "crypto_LUKS")
        return "LUKS";
    if (type == "BitLocker")
        return "BitLocker";
    if (type == "zfs_member")
        return "ZFS";
    return type.ends_with("_raid_member") ? "MD" : "";
}

} // namespace slipway::mount
