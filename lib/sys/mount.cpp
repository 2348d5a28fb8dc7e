// SPDX-License-Identifier: Apache-2.0
#include "sys/mount.hpp"

#include <algorithm>
#include <filesystem>
#include <optional>

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/strings.hpp"

namespace slipway::sys {
namespace {

// mountinfo escapes space, tab, newline and backslash in octal (proc_pid_mountinfo(5)).
std::string unescape(std::string_view text) {
    std::string out;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] == '\\' && i + 3 < text.size()) {
            out += static_cast<char>((text[i + 1] - '0') * 64 + (text[i + 2] - '0') * 8 +
                                     (text[i + 3] - '0'));
            i += 3;
        } else
            out += text[i];
    }
    return out;
}

bool is_below(std::string_view path, std::string_view top) {
    return path == top || (path.size() > top.size() && path.substr(0, top.size()) == top &&
                           (top == "/" || path[top.size()] == '/'));
}

std::optional<dev_t> device_of(const std::string& path) {
    struct stat info {};
    if (::stat(path.c_str(), &info) != 0)
        return std::nullopt;
    return info.st_dev;
}

bool process_uses(const std::filesystem::path& process, dev_t device) {
    for (const auto* name : {"cwd", "root", "exe"})
        if (device_of(process / name) == device)
            return true;
    std::error_code ignored;
    for (const auto& fd : std::filesystem::directory_iterator(process / "fd", ignored))
        if (device_of(fd.path()) == device)
            return true;
    return false;
}

} // namespace

Status mount(const MountSpec& spec) {
    if (::mount(spec.source.c_str(), spec.target.c_str(),
                spec.type.empty() ? nullptr : spec.type.c_str(), spec.flags,
                spec.options.empty() ? nullptr : spec.options.c_str()) != 0)
        return fail_errno(
            fmt::format("mounting {} ({}) at {}", spec.source, spec.type, spec.target));
    return {};
}

Status bind_mount(const std::string& source, const std::string& target) {
    return mount({.source = source, .target = target, .type = "", .flags = MS_BIND});
}

Result<std::vector<MountPoint>> read_mounts() {
    SLIPWAY_TRY(auto text, read_file("/proc/self/mountinfo", 16 << 20));
    std::vector<MountPoint> points;
    for (auto line : split_lines(text)) {
        // Before " - " stands a varying number of words.
        auto end = line.find(" - ");
        auto words = split_words(line.substr(0, end));
        if (end == std::string_view::npos || words.size() < 5)
            continue;
        auto more = split_words(line.substr(end + 3));
        points.push_back(
            {.target = unescape(words[4]),
             .root = unescape(words[3]),
             .source = more.size() > 1 ? unescape(more[1]) : "",
             .is_read_only = more.size() > 2 && (more[2] == "ro" || more[2].starts_with("ro,"))});
    }
    return points;
}

Result<std::vector<std::string>> mounts_below(const std::string& path) {
    SLIPWAY_TRY(auto mounts, read_mounts());
    std::vector<std::string> points;
    for (auto& mount : mounts)
        if (is_below(mount.target, path))
            points.push_back(std::move(mount.target));
    return points;
}

Result<std::string> mounted_root(const std::string& path) {
    SLIPWAY_TRY(auto mounts, read_mounts());
    std::string root;
    for (auto& mount : mounts)
        if (mount.target == path)
            root = std::move(mount.root);
    if (root.empty())
        return fail(Code::NotFound, fmt::format("nothing is mounted at {}", path));
    return root;
}

std::vector<std::string> users_of_mount(const std::string& path) {
    std::vector<std::string> users;
    auto device = device_of(path);
    if (!device)
        return users;
    std::error_code ignored;
    for (const auto& process : std::filesystem::directory_iterator("/proc", ignored)) {
        auto pid = process.path().filename().string();
        if (!parse_number(pid) || pid == std::to_string(::getpid()) ||
            !process_uses(process.path(), *device))
            continue;
        auto name = read_file((process.path() / "comm").string());
        users.push_back(fmt::format("{} ({})", name ? trim(*name) : "?", pid));
    }
    return users;
}

Status unmount_tree(const std::string& path) {
    SLIPWAY_TRY(auto points, mounts_below(path));
    std::vector<std::string> busy;
    for (auto point = points.rbegin(); point != points.rend(); ++point) {
        if (::umount2(point->c_str(), UMOUNT_NOFOLLOW) == 0)
            continue;
        if (errno == EBUSY)
            busy.push_back(fmt::format("{} is kept busy by {}", *point,
                                       fmt::join(users_of_mount(*point), ", ")));
        else
            busy.push_back(fmt::format("{}: {}", *point, ::strerror(errno)));
        ::umount2(point->c_str(), UMOUNT_NOFOLLOW | MNT_DETACH);
    }
    if (!busy.empty())
        return fail(Code::Busy,
                    fmt::format("unmounting below {}: {}", path, fmt::join(busy, "; ")));
    return {};
}

Status enter_private_mount_namespace() {
    if (::unshare(CLONE_NEWNS) != 0)
        return fail_errno("making a mount namespace");
    return mount({.source = "none", .target = "/", .type = "", .flags = MS_REC | MS_PRIVATE});
}

namespace {

Result<OwnedFd> open_mount(const std::string& path, unsigned depth, std::uint64_t attributes) {
    OwnedFd mount(::open_tree(AT_FDCWD, path.c_str(), OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | depth));
    if (!mount.valid())
        return fail_errno(fmt::format("mounting {} for itself", path));
    mount_attr wanted{};
    wanted.attr_set = attributes;
    bool done =
        ::mount_setattr(mount.raw(), "", AT_EMPTY_PATH | depth, &wanted, sizeof wanted) == 0;
    if (!done && errno == ENOSYS)
        return fail(Code::Unsupported, "this kernel has no mount_setattr(2)",
                    "use Linux 5.12 or newer");
    if (!done)
        return fail_errno(fmt::format("restricting a mount of {} for itself", path));
    return mount;
}

} // namespace

Result<OwnedFd> open_read_only_mount(const std::string& file) {
    return open_mount(file, 0, MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV);
}

Result<OwnedFd> open_mount_without_devices(const std::string& directory) {
    return open_mount(directory, AT_RECURSIVE, MOUNT_ATTR_NODEV);
}

Result<std::vector<std::string>> kernel_filesystems() {
    SLIPWAY_TRY(auto text, read_file("/proc/filesystems"));
    std::vector<std::string> types;
    for (auto line : split_lines(text))
        if (auto words = split_words(line); !words.empty())
            types.emplace_back(words.back());
    return types;
}

} // namespace slipway::sys
