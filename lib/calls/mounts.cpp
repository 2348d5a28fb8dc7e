// SPDX-License-Identifier: Apache-2.0
// Calls that mount and unmount.
#include <algorithm>
#include <array>
#include <filesystem>

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>

#include "base/strings.hpp"
#include "calls/bind.hpp"
#include "calls/devices.hpp"
#include "calls/filesystems.hpp"
#include "sys/loop_device.hpp"
#include "sys/mount.hpp"
#include "work/surroundings.hpp"

namespace slipway::calls {
namespace {

using Strings = std::vector<std::string>;

struct Flag {
    std::string_view name;
    unsigned long flag;
};
// Options that are not the filesystem's own, see mount(8); the others go to it.
constexpr std::array flags{Flag{"ro", MS_RDONLY},         Flag{"nosuid", MS_NOSUID},
                           Flag{"nodev", MS_NODEV},       Flag{"noexec", MS_NOEXEC},
                           Flag{"noatime", MS_NOATIME},   Flag{"nodiratime", MS_NODIRATIME},
                           Flag{"relatime", MS_RELATIME}, Flag{"strictatime", MS_STRICTATIME},
                           Flag{"sync", MS_SYNCHRONOUS},  Flag{"dirsync", MS_DIRSYNC}};
constexpr std::array<std::string_view, 9> no_flags{"",    "rw",    "defaults", "suid", "exec",
                                                   "dev", "async", "atime",    "auto"};
// Of another device than the one that was named, or a danger to the kernel.
constexpr std::array<std::string_view, 3> refused{"device=", "loop", "errors=panic"};

Result<mount::MountOptions> parse_options(std::string_view text) {
    mount::MountOptions options{.writable = true, .insist = true};
    for (auto word : split(text, ',')) {
        for (auto prefix : refused)
            if (word.starts_with(prefix))
                return fail(Code::InvalidArgument,
                            fmt::format("the mount option '{}' is not allowed", printable(word)));
        const auto* flag = std::find_if(flags.begin(), flags.end(),
                                        [&](const auto& each) { return each.name == word; });
        if (flag != flags.end())
            options.flags |= flag->flag;
        else if (std::find(no_flags.begin(), no_flags.end(), word) == no_flags.end())
            options.extra.emplace_back(word);
    }
    options.writable = (options.flags & MS_RDONLY) == 0;
    options.replay = true;
    return options;
}

// As libguestfs, which mounts one filesystem over another but none over itself.
Status refuse_mounted(const Machine& machine, const std::string& place, const std::string& source) {
    for (const auto& each : machine.mounted)
        if (each.place == place && each.source == source)
            return fail(
                os_error(fmt::format("{} is mounted on {} already", each.source, place), EBUSY));
    return {};
}

// A directory of the guest's, or that of the machine itself for its root.
struct MountPoint {
    std::string place; ///< guest path, resolved
    sys::OwnedFd directory;
};
Result<MountPoint> find_mount_point(const Machine& machine, const sys::GuestPath& path,
                                    const std::string& source) {
    SLIPWAY_TRY(auto root, sys::RootDir::open(machine.sysroot));
    SLIPWAY_TRY(auto real, root.real_path(path));
    MountPoint point{real.str(), {}};
    SLIPWAY_CHECK(refuse_mounted(machine, point.place, source));
    SLIPWAY_TRY(point.directory, root.open_path(real, O_PATH | O_DIRECTORY));
    return point;
}

Status mount_with(Machine& machine, mount::MountOptions options, const std::string& type,
                  const Mountable& mountable, const sys::GuestPath& path) {
    SLIPWAY_TRY(auto point, find_mount_point(machine, path, mountable.device.name));
    SLIPWAY_TRY(auto volume, probe(mountable.device));
    if (!type.empty())
        volume.volume.type = type;
    options.subvolume = mountable.subvolume;
    options.other_nodes = other_nodes(machine, volume);
    machine.chroot.reset();
    auto target = sys::proc_path(point.directory.raw());
    auto done = mount::mount_volume(volume, target, options);
    // As mount(8): what cannot be written, such as a seed of btrfs, is mounted to be read.
    if (!done && options.writable &&
        (done.error().errno_value == EACCES || done.error().errno_value == EROFS)) {
        options.writable = false;
        options.flags |= MS_RDONLY;
        done = mount::mount_volume(volume, target, options);
    }
    if (!done)
        return fail(std::move(done).error());
    machine.mounted.push_back({mountable.device.name, point.place, nullptr, std::move(*done)});
    return {};
}

Status mount_plainly(Machine& machine, const Mountable& mountable, const sys::GuestPath& path) {
    return mount_with(machine, {.writable = true}, "", mountable, path);
}

Status mount_ro(Machine& machine, const Mountable& mountable, const sys::GuestPath& path) {
    return mount_with(machine, {.replay = true}, "", mountable, path);
}

Status mount_options(Machine& machine, const std::string& text, const Mountable& mountable,
                     const sys::GuestPath& path) {
    SLIPWAY_TRY(auto options, parse_options(text));
    return mount_with(machine, std::move(options), "", mountable, path);
}

Status mount_vfs(Machine& machine, const std::string& text, const std::string& type,
                 const Mountable& mountable, const sys::GuestPath& path) {
    SLIPWAY_TRY(auto options, parse_options(text));
    return mount_with(machine, std::move(options), type, mountable, path);
}

bool is_mounted_on(const Machine::Mounted& mounted, const std::string& wanted) {
    if (mounted.source == wanted || mounted.place == wanted)
        return true;
    // Another name of the same device.
    struct stat ours {
    }, other{};
    return wanted.starts_with("/dev/") && ::stat(mounted.source.c_str(), &ours) == 0 &&
           ::stat(wanted.c_str(), &other) == 0 && S_ISBLK(other.st_mode) &&
           other.st_rdev == ours.st_rdev;
}

Status remount(Machine& machine, const sys::GuestPath& path, std::optional<bool> rw) {
    SLIPWAY_TRY(auto root, machine.root());
    SLIPWAY_TRY(auto real, root.real_path(path));
    auto found = std::find_if(machine.mounted.rbegin(), machine.mounted.rend(),
                              [&](const auto& each) { return each.place == real.str(); });
    if (found == machine.mounted.rend())
        return fail(os_error(fmt::format("{}: nothing is mounted there", path.str()), EINVAL));
    if (!rw)
        return fail(Code::InvalidArgument, "remount needs to know what is to change: rw");
    machine.chroot.reset();
    auto mode = *rw ? 0UL : static_cast<unsigned long>(MS_RDONLY);
    if (::mount(nullptr, found->volume.target().c_str(), nullptr, MS_REMOUNT | MS_NODEV | mode,
                nullptr) != 0)
        return fail_errno(fmt::format("mounting {} again", path.str()));
    return {};
}

// A directory and the name of an entry in it, where there may be no root yet.
Result<sys::OwnedFd> open_parent(const Machine& machine, const sys::GuestPath& path) {
    SLIPWAY_TRY(auto root, sys::RootDir::open(machine.sysroot));
    return root.open_path(path.parent(), O_PATH | O_DIRECTORY);
}

Status mkmountpoint(Machine& machine, const sys::GuestPath& path) {
    SLIPWAY_TRY(auto parent, open_parent(machine, path));
    if (::mkdirat(parent.raw(), std::string(path.name()).c_str(), 0777) != 0)
        return fail_errno(path.str());
    return {};
}

Status rmmountpoint(Machine& machine, const sys::GuestPath& path) {
    SLIPWAY_TRY(auto parent, open_parent(machine, path));
    if (::unlinkat(parent.raw(), std::string(path.name()).c_str(), AT_REMOVEDIR) != 0)
        return fail_errno(path.str());
    return {};
}

Status mount_loop(Machine& machine, const sys::GuestPath& file, const sys::GuestPath& path) {
    SLIPWAY_TRY(auto root, machine.root());
    SLIPWAY_TRY(auto image, root.open_path(file, O_RDWR));
    SLIPWAY_TRY(auto point, find_mount_point(machine, path, ""));
    SLIPWAY_TRY(auto attached, sys::LoopDevice::attach(image, {}));
    auto loop = std::make_unique<sys::LoopDevice>(std::move(attached));
    SLIPWAY_TRY(auto node, work::make_disk_node(loop->disk().name(), loop->disk().device()));
    SLIPWAY_TRY(auto volume, probe({node}));
    machine.chroot.reset();
    SLIPWAY_TRY(auto done, mount::mount_volume(volume, sys::proc_path(point.directory.raw()),
                                               {.writable = true}));
    machine.mounted.push_back({node, point.place, std::move(loop), std::move(done)});
    return {};
}

Result<std::string> mountable_device(Machine&, const Mountable& mountable) {
    return mountable.device.name;
}

Result<std::string> mountable_subvolume(Machine&, const Mountable& mountable) {
    if (mountable.subvolume.empty())
        return fail(Code::InvalidArgument,
                    fmt::format("{} is no subvolume of btrfs", mountable.device.name));
    return mountable.subvolume;
}

Status umount(Machine& machine, const std::string& path_or_device, std::optional<bool> force,
              std::optional<bool> lazy) {
    auto& mounted = machine.mounted;
    auto wanted = path_or_device;
    if (!wanted.starts_with("/dev/") && !wanted.starts_with("btrfsvol:") && !mounted.empty()) {
        SLIPWAY_TRY(auto path, sys::GuestPath::parse(wanted));
        SLIPWAY_TRY(auto root, machine.root());
        SLIPWAY_TRY(auto real, root.real_path(path));
        wanted = real.str();
    }
    auto found = std::find_if(mounted.rbegin(), mounted.rend(),
                              [&](const auto& each) { return is_mounted_on(each, wanted); });
    if (found == mounted.rend())
        return fail(os_error(fmt::format("{} is not mounted", printable(path_or_device)), EINVAL));
    // Another one is mounted over it, which the kernel would take.
    if (std::any_of(mounted.rbegin(), found,
                    [&](const auto& each) { return each.place == found->place; }))
        return fail(os_error(found->place, EBUSY));
    machine.chroot.reset();
    if (found->place == "/")
        machine.leave_root();
    if (force.value_or(false) || lazy.value_or(false)) {
        // The destructor detaches it, which never fails.
        mounted.erase(std::next(found).base());
        return {};
    }
    SLIPWAY_CHECK(found->volume.unmount());
    if (found->loop)
        SLIPWAY_CHECK(found->loop->detach());
    mounted.erase(std::next(found).base());
    return {};
}

Status umount_all(Machine& machine) {
    return machine.unmount_all();
}

Result<Strings> mounts(Machine& machine) {
    Strings sources;
    for (const auto& each : machine.mounted)
        sources.push_back(each.source);
    return sources;
}

Result<Json> mountpoints(Machine& machine) {
    auto places = Json::object();
    for (const auto& each : machine.mounted)
        places[each.source] = each.place;
    return places;
}

Status sync_all(Machine&) {
    ::sync();
    return {};
}

} // namespace

Calls mount_calls() {
    static constexpr Call calls[] = {
        {"mount", bind<mount_plainly>},
        {"mount_ro", bind<mount_ro>},
        {"mount_options", bind<mount_options>},
        {"mount_vfs", bind<mount_vfs>},
        {"mount_loop", bind<mount_loop>},
        {"mountable_device", bind<mountable_device>},
        {"mountable_subvolume", bind<mountable_subvolume>},
        {"remount", bind<remount>},
        {"mkmountpoint", bind<mkmountpoint>},
        {"rmmountpoint", bind<rmmountpoint>},
        {"umount", bind<umount>},
        {"umount_all", bind<umount_all>},
        {"mounts", bind<mounts>},
        {"mountpoints", bind<mountpoints>},
        {"sync", bind<sync_all>},
    };
    return calls;
}

} // namespace slipway::calls
