// SPDX-License-Identifier: Apache-2.0
#include "rootfs/tree.hpp"

#include <array>
#include <ctime>

#include <dirent.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>

#include "base/strings.hpp"
#include "rootfs/accounts.hpp"
#include "sys/tree_walk.hpp"

namespace slipway::rootfs {
namespace {

using sys::GuestPath;

// Removes all that is below a directory of the root; an absent one is empty.
Status empty_directory(const sys::RootDir& root, const GuestPath& path) {
    if (!root.is_dir(path))
        return {};
    SLIPWAY_TRY(auto directory, root.open_path(path, O_RDONLY | O_DIRECTORY));
    auto remove = [&](const sys::WalkEntry& entry, int flags) -> Status {
        if (::unlinkat(entry.directory.raw(), entry.name.c_str(), flags) != 0)
            return fail_errno(fmt::format("removing {}/{}", path.str(), entry.path));
        return {};
    };
    sys::TreeVisitor visitor;
    visitor.enter = [&](const sys::WalkEntry& entry) -> Result<bool> {
        if (entry.type == DT_DIR)
            return true;
        SLIPWAY_CHECK(remove(entry, 0));
        return false;
    };
    visitor.leave = [&](const sys::WalkEntry& entry) { return remove(entry, AT_REMOVEDIR); };
    return sys::walk_tree(directory, visitor);
}

// Logs begin when the root is used.
Status empty_logs(const sys::RootDir& root) {
    GuestPath logs("/var/log");
    if (!root.is_dir(logs))
        return {};
    SLIPWAY_TRY(auto directory, root.open_path(logs, O_RDONLY | O_DIRECTORY));
    sys::TreeVisitor visitor;
    visitor.enter = [&](const sys::WalkEntry& entry) -> Result<bool> {
        if (entry.type == DT_REG) {
            SLIPWAY_TRY(auto file,
                        sys::open_at(entry.directory, entry.name, O_WRONLY | O_TRUNC | O_NOFOLLOW));
        }
        return entry.type == DT_DIR;
    };
    return sys::walk_tree(directory, visitor);
}

Status write_owned(const sys::RootDir& root, const GuestPath& path, std::string_view content,
                   unsigned mode, const Owner& owner) {
    SLIPWAY_CHECK(root.make_dirs(path.parent()));
    SLIPWAY_CHECK(root.write_atomic(path, content, mode));
    SLIPWAY_TRY(auto file, root.open_path(path, O_RDONLY | O_NOFOLLOW));
    if (::fchown(file.raw(), owner.uid, owner.gid) != 0 || ::fchmod(file.raw(), mode) != 0)
        return fail_errno(fmt::format("giving {} its owner", path.str()));
    return {};
}

Status make_home(const sys::RootDir& root, const ProfileUser& user) {
    SLIPWAY_TRY(auto home, GuestPath::parse(user.home));
    SLIPWAY_CHECK(root.make_dirs(home));
    SLIPWAY_TRY(auto directory, root.open_path(home, O_RDONLY | O_DIRECTORY));
    constexpr unsigned private_mode = 0750; // so that others' tests of access mean something
    if (::fchown(directory.raw(), user.uid, user.gid) != 0 ||
        ::fchmod(directory.raw(), private_mode) != 0)
        return fail_errno(fmt::format("giving {} its owner", user.home));
    GuestPath skeleton("/etc/skel");
    if (!root.is_dir(skeleton))
        return {};
    SLIPWAY_TRY(auto entries, root.list(skeleton));
    for (const auto& entry : entries) {
        if (entry.type != DT_REG)
            continue;
        SLIPWAY_TRY(auto text, root.read(skeleton / entry.name));
        SLIPWAY_CHECK(write_owned(root, home / entry.name, text, 0644, {user.uid, user.gid}));
    }
    return {};
}

Result<AccountFiles> read_accounts(const sys::RootDir& root) {
    AccountFiles files;
    SLIPWAY_TRY(files.passwd, root.read(GuestPath("/etc/passwd")));
    SLIPWAY_TRY(files.group, root.read(GuestPath("/etc/group")));
    SLIPWAY_TRY(files.shadow, root.read(GuestPath("/etc/shadow")));
    SLIPWAY_TRY(files.gshadow, root.read(GuestPath("/etc/gshadow")));
    return files;
}

// Modes and owners stay as they are.
Status write_accounts(const sys::RootDir& root, const AccountFiles& files) {
    SLIPWAY_CHECK(root.write_atomic(GuestPath("/etc/passwd"), files.passwd));
    SLIPWAY_CHECK(root.write_atomic(GuestPath("/etc/group"), files.group));
    SLIPWAY_CHECK(root.write_atomic(GuestPath("/etc/shadow"), files.shadow));
    return root.write_atomic(GuestPath("/etc/gshadow"), files.gshadow);
}

Status set_time(sys::BorrowedFd directory, const char* name, int flags, long latest) {
    struct stat info {};
    if (::fstatat(directory.raw(), name, &info, flags | AT_SYMLINK_NOFOLLOW) != 0)
        return fail_errno("looking at a file's times");
    if (info.st_mtim.tv_sec <= latest &&
        !(info.st_mtim.tv_sec == latest && info.st_mtim.tv_nsec > 0))
        return {};
    const std::array<timespec, 2> times{{{latest, 0}, {latest, 0}}};
    if (::utimensat(directory.raw(), name, times.data(), flags | AT_SYMLINK_NOFOLLOW) != 0)
        return fail_errno(fmt::format("setting the times of {}", name));
    return {};
}

// A directory after what is in it. Nothing is written to it any more.
Status clamp_times(const sys::RootDir& root, long latest) {
    SLIPWAY_TRY(auto top, root.open_path(GuestPath("/"), O_RDONLY | O_DIRECTORY));
    sys::TreeVisitor visitor;
    visitor.enter = [&](const sys::WalkEntry& entry) -> Result<bool> {
        if (entry.type != DT_DIR)
            SLIPWAY_CHECK(set_time(entry.directory, entry.name.c_str(), 0, latest));
        return entry.type == DT_DIR;
    };
    visitor.leave = [&](const sys::WalkEntry& entry) {
        return set_time(entry.directory, entry.name.c_str(), 0, latest);
    };
    SLIPWAY_CHECK(sys::walk_tree(top, visitor));
    const std::array<timespec, 2> times{{{latest, 0}, {latest, 0}}};
    if (::futimens(top.raw(), times.data()) != 0)
        return fail_errno("setting the times of the root");
    return {};
}

constexpr std::array emptied{"/run",           "/tmp",
                             "/var/tmp",       "/dev",
                             "/var/cache/apt", "/var/lib/apt/lists",
                             "/var/cache/man", "/var/cache/ldconfig"};
// Of the installation, and of this host.
constexpr std::array removed{"/etc/apt/apt.conf.d/99mmdebstrap",
                             "/etc/dpkg/dpkg.cfg.d/99mmdebstrap",
                             "/etc/passwd-",
                             "/etc/group-",
                             "/etc/shadow-",
                             "/etc/gshadow-",
                             "/etc/subuid-",
                             "/etc/subgid-",
                             "/etc/.pwd.lock",
                             "/var/lib/dpkg/status-old",
                             "/var/lib/dpkg/diversions-old",
                             "/var/lib/dpkg/statoverride-old",
                             "/var/lib/dpkg/available-old",
                             "/var/cache/debconf/config.dat-old",
                             "/var/cache/debconf/passwords.dat-old",
                             "/var/cache/debconf/templates.dat-old",
                             "/var/lib/dbus/machine-id",
                             "/var/lib/systemd/random-seed"};

} // namespace

Status tidy(const sys::RootDir& root, const std::string& archive_line) {
    for (const auto* path : emptied)
        SLIPWAY_CHECK(empty_directory(root, GuestPath(path)));
    for (const auto* path : removed)
        SLIPWAY_CHECK(root.remove(GuestPath(path)));
    SLIPWAY_CHECK(empty_logs(root));
    struct Written {
        const char* path;
        std::string content;
    };
    const std::array written{Written{"/etc/apt/sources.list", archive_line + "\n"},
                             Written{"/etc/hostname", "slipway\n"},
                             Written{"/etc/hosts", "127.0.0.1\tlocalhost slipway\n"
                                                   "::1\tlocalhost slipway\n"},
                             Written{"/etc/resolv.conf", ""}, Written{"/etc/machine-id", ""}};
    for (const auto& [path, content] : written) {
        // Not through a link: it is another file's content that would be replaced.
        SLIPWAY_CHECK(root.remove(GuestPath(path)));
        SLIPWAY_CHECK(root.write_atomic(GuestPath(path), content));
    }
    return {};
}

Status apply_profile(const sys::RootDir& root, const Profile& profile, long snapshot) {
    constexpr long day = 86400;
    SLIPWAY_TRY(auto before, read_accounts(root));
    SLIPWAY_TRY(auto files, add_accounts(before, profile, snapshot / day));
    if (files != before)
        SLIPWAY_CHECK(write_accounts(root, files));
    for (const auto& user : profile.users)
        SLIPWAY_CHECK(make_home(root, user));
    for (const auto& file : profile.files) {
        SLIPWAY_TRY(auto owner, find_owner(file.owner, files));
        SLIPWAY_TRY(auto path, GuestPath::parse(file.path));
        SLIPWAY_CHECK(write_owned(root, path, file.content, file.mode, owner));
    }
    return {};
}

Result<Manifest> finish(const sys::RootDir& root, Manifest manifest) {
    for (const auto* path : {"/run", "/tmp"})
        SLIPWAY_CHECK(empty_directory(root, GuestPath(path)));
    constexpr std::size_t most = 64 << 20;
    SLIPWAY_TRY(auto status, root.read(GuestPath("/var/lib/dpkg/status"), most));
    manifest.packages = parse_packages(status);
    auto missing = missing_packages(manifest.profile, manifest.packages);
    if (!missing.empty())
        return fail(Code::NotFound,
                    fmt::format("{} has no package {}", manifest.suite, join(missing, ", ")),
                    "what only some releases have belongs to optional_packages of the profile");
    manifest.release = look(root).release;
    SLIPWAY_CHECK(root.remove(GuestPath(manifest_path)));
    SLIPWAY_CHECK(
        root.write_atomic(GuestPath(manifest_path), render_json_pretty(to_json(manifest)) + "\n"));
    SLIPWAY_CHECK(clamp_times(root, manifest.snapshot));
    return manifest;
}

} // namespace slipway::rootfs
