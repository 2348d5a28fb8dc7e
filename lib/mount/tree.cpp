// SPDX-License-Identifier: Apache-2.0
#include "mount/tree.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include <fcntl.h>
#include <sys/mount.h>
#include <unistd.h>

#include <fmt/format.h>

#include "base/strings.hpp"
#include "mount/fstab.hpp"
#include "mount/fstab_options.hpp"
#include "mount/resolve.hpp"
#include "sys/mount.hpp"

namespace slipway::mount {
namespace {

using report::Severity;
using sys::GuestPath;

// A guest has a handful of filesystems; a hostile fstab has as many lines as it likes.
constexpr std::size_t max_mounts = 64;
constexpr std::size_t max_lines = 1000;
constexpr std::size_t max_fstab_size = 256 << 10;

struct Wanted {
    FstabLine line;
    GuestPath mountpoint;
    FstabOptions options; ///< of the volume's real type
    const MountableVolume* volume;
};

std::size_t depth_of(const GuestPath& path) {
    return static_cast<std::size_t>(std::count(path.str().begin(), path.str().end(), '/'));
}

bool belongs_to_us(const GuestPath& path) {
    constexpr std::array ours{"/proc", "/sys", "/dev", "/run"};
    return std::any_of(ours.begin(), ours.end(), [&](std::string_view top) {
        return path.str() == top || path.str().starts_with(std::string(top) + "/");
    });
}

// Without these a repair would write into the empty directory below the mount point.
bool is_boot_mountpoint(const GuestPath& path) {
    return path.str() == "/boot" || path.str() == "/boot/efi" || path.str() == "/efi";
}

std::string where_of(const FstabLine& line) {
    if (line.line_no == 0)
        return line.spec; // a dataset of ZFS, which says itself where it belongs
    return fmt::format("/etc/fstab line {}", line.line_no);
}

std::string reason_of(const Error& error) {
    bool says_all = error.errno_value == 0 || error.code == Code::Unsupported;
    return says_all ? error.what
                    : fmt::format("{}: {}", error.what, std::strerror(error.errno_value));
}

std::vector<report::Volume> records_of(const Volumes& volumes) {
    std::vector<report::Volume> records;
    for (const auto& each : volumes)
        records.push_back(each.volume);
    return records;
}

} // namespace

/// Builds a tree step by step; what is mounted when a step fails goes with the tree.
class TreeBuilder {
public:
    TreeBuilder(const Volumes& volumes, const TreeRequest& request)
        : volumes_(volumes), records_(records_of(volumes)), request_(request) {}

    [[nodiscard]] Result<MountTree> build(const std::string& target,
                                          std::optional<MountedVolume> mounted_root) {
        SLIPWAY_TRY(root_, parse_root_name(request_.root, volumes_));
        tree_.target_ = target;
        SLIPWAY_CHECK(mount_root(std::move(mounted_root)));
        for (const auto& wanted : plan())
            mount_one(wanted);
        return std::move(tree_);
    }

private:
    [[nodiscard]] Status mount_root(std::optional<MountedVolume> mounted) {
        const auto& volume = *find_volume(volumes_, root_.volume);
        bool usable = mounted && mounted->volume() == root_.volume &&
                      mounted->subvolume() == root_.subvolume &&
                      mounted->target() == tree_.target_ &&
                      mounted->writable() == request_.writable;
        if (mounted && !usable) {
            report::add_new(tree_.findings_, mounted->findings());
            SLIPWAY_CHECK(mounted->unmount());
        }
        if (!usable) {
            SLIPWAY_TRY(mounted, mount_volume(volume, tree_.target_,
                                              {.writable = request_.writable,
                                               .dropped = request_.dropped,
                                               .subvolume = root_.subvolume,
                                               .other_nodes = sibling_nodes(volume, volumes_)}));
        }
        if (request_.writable && !mounted->writable())
            return fail(Code::Unsupported,
                        fmt::format("{} is a {} filesystem: nothing in it can be changed in place",
                                    root_.volume, volume.volume.type),
                        "copy its files to a disk image; run without --write works on a copy that "
                        "is dropped");
        note_journal(*mounted);
        root_.subvolume = mounted->subvolume();
        mounted->release();
        tree_.mounted_ = true;
        SLIPWAY_TRY(tree_.root_, sys::RootDir::open(tree_.target_));
        tree_.root_name_ = render_root_name(root_);
        tree_.mountpoints_["/"] = tree_.root_name_;
        return {};
    }

    [[nodiscard]] std::vector<Wanted> plan() {
        // Files that were taken from a disk, or are for one: there is nothing to mount.
        const auto& root = find_volume(volumes_, root_.volume)->volume;
        if (root.disk.empty() && root.kind.empty())
            return {};
        auto text = tree_.root_->read(GuestPath("/etc/fstab"), max_fstab_size);
        if (!text) {
            if (text.error().code != Code::NotFound)
                find("fstab-unreadable", Severity::Error, "/etc/fstab", render_line(text.error()));
            return {};
        }
        auto lines = Fstab::parse(*text).lines();
        lines.resize(std::min(lines.size(), max_lines));
        auto root_line = std::find_if(lines.begin(), lines.end(),
                                      [](const auto& line) { return line.mountpoint == "/"; });
        GuestDevices devices(records_, find_record(root_.volume),
                             root_line == lines.end() ? "" : root_line->spec);
        std::vector<Wanted> wanted;
        for (const auto& line : lines)
            consider(line, devices, wanted);
        add_datasets(wanted);
        std::stable_sort(wanted.begin(), wanted.end(), [](const auto& a, const auto& b) {
            return depth_of(a.mountpoint) < depth_of(b.mountpoint);
        });
        return wanted;
    }

    void consider(const FstabLine& line, const GuestDevices& devices, std::vector<Wanted>& wanted) {
        auto found = devices.resolve(line.spec, line.type);
        if (!found.is_device || found.removable || line.type == "swap" ||
            !line.mountpoint.starts_with('/'))
            return;
        const auto* volume =
            found.volume == nullptr ? nullptr : find_volume(volumes_, found.volume->name);
        auto options =
            parse_fstab_options(line.options, volume == nullptr ? line.type : volume->volume.type);
        auto mountpoint = GuestPath::parse(line.mountpoint);
        if (!mountpoint) {
            find("fstab-bad-mountpoint", Severity::Warning, where_of(line),
                 render_line(mountpoint.error()));
            return;
        }
        bool automatic = options.automatic || is_boot_mountpoint(*mountpoint);
        if (options.bind || !automatic || belongs_to_us(*mountpoint))
            return;
        if (volume == nullptr) {
            report_missing(line, options, found.ambiguous);
            if (!options.optional)
                tree_.missing_[mountpoint->str()] =
                    fmt::format("no disk of the image has {}", line.spec);
        } else if (mountpoint->str() == "/")
            compare_root(line, *volume, options);
        else if (is_taken(*mountpoint, wanted))
            find("fstab-duplicate-mountpoint", Severity::Warning, where_of(line),
                 fmt::format("{} mounts {} a second time; it was not mounted here", where_of(line),
                             line.mountpoint));
        else if (wanted.size() >= max_mounts)
            find("fstab-too-many-mounts", Severity::Warning, "/etc/fstab",
                 fmt::format("/etc/fstab mounts more than {} filesystems; the rest is left out",
                             max_mounts));
        else
            wanted.push_back({line, *mountpoint, options, volume});
    }

    // What zfs mounts by itself (zfs-mount.service). Those below the root come first: another
    // system of the same pool has its own of the same places.
    void add_datasets(std::vector<Wanted>& wanted) {
        for (bool below_root : {true, false})
            for (const auto& each : volumes_) {
                const auto& name = each.volume.name;
                auto place = GuestPath::parse(each.mountpoint);
                if (each.mountpoint.empty() || name == root_.volume || !place ||
                    name.starts_with(root_.volume + "/") != below_root || place->str() == "/" ||
                    belongs_to_us(*place) || is_taken(*place, wanted) ||
                    wanted.size() >= max_mounts)
                    continue;
                wanted.push_back({{.line_no = 0,
                                   .spec = name,
                                   .mountpoint = place->str(),
                                   .type = each.volume.type,
                                   .options = ""},
                                  *place,
                                  {},
                                  &each});
            }
    }

    static bool is_taken(const GuestPath& mountpoint, const std::vector<Wanted>& wanted) {
        return std::any_of(wanted.begin(), wanted.end(),
                           [&](const auto& each) { return each.mountpoint == mountpoint; });
    }

    void report_missing(const FstabLine& line, const FstabOptions& options, bool ambiguous) {
        if (ambiguous)
            find("fstab-ambiguous-name", Severity::Warning, where_of(line),
                 fmt::format("{} names {}, and it cannot be told which volume that is",
                             where_of(line), line.spec));
        else
            find("fstab-unresolved",
                 options.optional || !options.automatic ? Severity::Info : Severity::Blocker,
                 where_of(line),
                 fmt::format("{} names {}, which no disk of the image has", where_of(line),
                             line.spec),
                 "give all disks of the guest, or correct the line");
    }

    void compare_root(const FstabLine& line, const MountableVolume& volume,
                      const FstabOptions& options) {
        auto text = [&](const std::string& theirs) {
            return fmt::format("{} mounts {} as the root, but the system was found on {}",
                               where_of(line), theirs, tree_.root_name_);
        };
        if (volume.volume.name != root_.volume)
            find("fstab-root-differs", Severity::Warning, where_of(line), text(volume.volume.name));
        else if (!options.subvolume.empty() && options.subvolume != root_.subvolume)
            find("fstab-root-subvolume-differs", Severity::Warning, where_of(line),
                 text(render_root_name({.volume = root_.volume, .subvolume = options.subvolume})));
    }

    void mount_one(const Wanted& wanted) {
        if (auto mounted = try_mount(wanted); !mounted) {
            auto why = reason_of(mounted.error());
            auto text = fmt::format("{} ({} on {}) could not be mounted: {}", where_of(wanted.line),
                                    wanted.line.spec, wanted.line.mountpoint, why);
            // Nothing can be said of a boot loader and kernels that stay out of sight.
            auto severity =
                wanted.mountpoint.str() == "/boot" ? Severity::Blocker : Severity::Warning;
            find("mount-skipped", severity, where_of(wanted.line), text, mounted.error().hint);
            tree_.missing_[wanted.mountpoint.str()] = why;
        }
    }

    [[nodiscard]] Status try_mount(const Wanted& wanted) {
        const auto& volume = *wanted.volume;
        SLIPWAY_TRY(auto directory,
                    tree_.root_->open_path(wanted.mountpoint, O_PATH | O_DIRECTORY));
        SLIPWAY_TRY(auto path, tree_.root_->real_path(wanted.mountpoint));
        if (path.str() == "/" || belongs_to_us(path))
            return fail(Code::InvalidArgument, fmt::format("it leads to {}", path.str()));
        SLIPWAY_TRY(auto mounted, mount_volume(volume, sys::proc_path(directory.raw()),
                                               {.writable = request_.writable,
                                                .subvolume = wanted.options.subvolume,
                                                .subvolume_id = wanted.options.subvolume_id,
                                                .extra = wanted.options.extra,
                                                .other_nodes = sibling_nodes(volume, volumes_)}));
        note_journal(mounted);
        mounted.release();
        tree_.mountpoints_[path.str()] =
            render_root_name({.volume = mounted.volume(), .subvolume = mounted.subvolume()});
        return {};
    }

    void note_journal(const MountedVolume& mounted) {
        const auto& name = mounted.volume();
        report::add_new(tree_.findings_, mounted.findings());
        auto& dirty = tree_.dirty_;
        if (mounted.journal() == Journal::Replayed) {
            find("journal-replayed", Severity::Info, name,
                 fmt::format("{} was not unmounted cleanly; its journal was replayed", name));
        } else if (mounted.journal() == Journal::Skipped &&
                   std::find(dirty.begin(), dirty.end(), name) == dirty.end()) {
            dirty.push_back(name);
            find("journal-dirty", Severity::Warning, name,
                 fmt::format("{} was not unmounted cleanly; its journal was not replayed, so what "
                             "is shown may be "
                             "older than what the guest had written",
                             name),
                 "shut the guest down before its disk is copied");
        }
    }

    void find(std::string id, Severity severity, std::string where, std::string text,
              std::string remedy = {}) {
        auto& findings = tree_.findings_;
        bool known = std::any_of(findings.begin(), findings.end(), [&](const auto& each) {
            return each.id == id && each.where == where;
        });
        if (!known)
            findings.push_back(
                {std::move(id), severity, std::move(where), std::move(text), std::move(remedy)});
    }

    const report::Volume* find_record(const std::string& name) const {
        auto found = std::find_if(records_.begin(), records_.end(),
                                  [&](const auto& record) { return record.name == name; });
        return found == records_.end() ? nullptr : &*found;
    }

    const Volumes& volumes_;
    std::vector<report::Volume> records_;
    const TreeRequest& request_;
    RootName root_;
    MountTree tree_;
};

Result<MountTree> MountTree::mount(const Volumes& volumes, const TreeRequest& request,
                                   const std::string& target,
                                   std::optional<MountedVolume> mounted_root) {
    return TreeBuilder(volumes, request).build(target, std::move(mounted_root));
}

MountTree::MountTree(MountTree&& other) noexcept
    : target_(std::move(other.target_)), root_name_(std::move(other.root_name_)),
      root_(std::move(other.root_)), mountpoints_(std::move(other.mountpoints_)),
      missing_(std::move(other.missing_)), dirty_(std::move(other.dirty_)),
      findings_(std::move(other.findings_)), mounted_(std::exchange(other.mounted_, false)) {}

MountTree::~MountTree() {
    [[maybe_unused]] auto detached_at_worst = unmount();
}

// umount(2) succeeds when the device under the filesystem has gone; only syncfs(2) tells what was
// not written.
Status MountTree::sync() const {
    if (!root_)
        return {};
    for (const auto& [path, volume] : mountpoints_) {
        SLIPWAY_TRY(auto top, root_->open_path(sys::GuestPath(path), O_RDONLY | O_DIRECTORY));
        if (::syncfs(top.raw()) != 0)
            return fail_errno(fmt::format("writing {} back to its disk", volume));
    }
    return {};
}

Status MountTree::unmount() {
    if (!std::exchange(mounted_, false))
        return {};
    auto synced = sync();
    // Its descriptor would keep the root busy.
    root_.reset();
    auto unmounted = sys::unmount_tree(target_);
    return synced ? std::move(unmounted) : std::move(synced);
}

} // namespace slipway::mount
