// SPDX-License-Identifier: Apache-2.0
// Calls that make and remove names: directories, links, nodes, temporary files.
#include <cstdlib>

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <fmt/format.h>

#include "base/strings.hpp"
#include "calls/files.hpp"
#include "calls/removing.hpp"
#include "sys/long_loop.hpp"
#include "sys/tree_walk.hpp"

namespace slipway::calls {
namespace {

using sys::GuestPath;

Status failed_unless(int result, const GuestPath& path) {
    return result == 0 ? Status{} : Status(fail_errno(path.str()));
}

Status make_directory(Machine& machine, const GuestPath& path, mode_t mode) {
    SLIPWAY_TRY(auto place, place_of(machine, path, EEXIST));
    return failed_unless(::mkdirat(place.directory.raw(), place.name.c_str(), mode), path);
}
Status mkdir(Machine& machine, const GuestPath& path) {
    return make_directory(machine, path, 0777);
}
Status mkdir_mode(Machine& machine, const GuestPath& path, std::int64_t mode) {
    SLIPWAY_CHECK(refuse_negative(mode, path.str() + ": the mode"));
    return make_directory(machine, path, static_cast<mode_t>(mode));
}
Status mkdir_p(Machine& machine, const GuestPath& path) {
    SLIPWAY_TRY(auto root, machine.root());
    SLIPWAY_CHECK(root.make_dirs(path, 0777));
    return root.is_dir(path) ? Status{} : Status(fail_errno(path.str(), ENOTDIR));
}

Status make_node(Machine& machine, const GuestPath& path, mode_t mode, dev_t device) {
    SLIPWAY_TRY(auto place, place_of(machine, path, EEXIST));
    return failed_unless(::mknodat(place.directory.raw(), place.name.c_str(), mode, device), path);
}
Status mknod(Machine& machine, std::int64_t mode, std::int64_t major, std::int64_t minor,
             const GuestPath& path) {
    SLIPWAY_CHECK(refuse_negative(mode, path.str() + ": the mode"));
    return make_node(machine, path, static_cast<mode_t>(mode),
                     makedev(static_cast<unsigned>(major), static_cast<unsigned>(minor)));
}
template <mode_t type>
Status make_device(Machine& machine, std::int64_t mode, std::int64_t major, std::int64_t minor,
                   const GuestPath& path) {
    if ((mode & ~std::int64_t{07777}) != 0)
        return fail(Code::InvalidArgument, "the mode may have bits of permissions only");
    return mknod(machine, mode | type, major, minor, path);
}
Status mkfifo(Machine& machine, std::int64_t mode, const GuestPath& path) {
    return make_device<S_IFIFO>(machine, mode, 0, 0, path);
}

Status touch(Machine& machine, const GuestPath& path) {
    SLIPWAY_TRY(auto root, machine.root());
    if (auto info = root.stat(path, false); info && !S_ISREG(info->st_mode))
        return fail(Code::InvalidArgument,
                    fmt::format("{} is no regular file", printable(path.str())));
    SLIPWAY_TRY(auto file, root.open_path(path, O_WRONLY | O_CREAT, 0666));
    return failed_unless(::futimens(file.raw(), nullptr), path);
}

Status link(Machine& machine, const GuestPath& target, const GuestPath& path, bool force) {
    SLIPWAY_TRY(auto from, place_of(machine, target, EPERM));
    SLIPWAY_TRY(auto to, place_of(machine, path, EEXIST));
    struct stat info {};
    if (::fstatat(from.directory.raw(), from.name.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0)
        return fail_errno(target.str());
    if (force && ::unlinkat(to.directory.raw(), to.name.c_str(), 0) != 0 && errno != ENOENT)
        return fail_errno(path.str());
    return failed_unless(
        ::linkat(from.directory.raw(), from.name.c_str(), to.directory.raw(), to.name.c_str(), 0),
        path);
}
Status ln(Machine& machine, const GuestPath& target, const GuestPath& path) {
    return link(machine, target, path, false);
}
Status ln_f(Machine& machine, const GuestPath& target, const GuestPath& path) {
    return link(machine, target, path, true);
}

// As ln(1): below the name where that is a directory.
Status symlink(Machine& machine, const std::string& target, GuestPath path, bool force) {
    SLIPWAY_TRY(auto root, machine.root());
    if (auto name = std::string(basename_of(target)); root.is_dir(path) && is_plain_name(name))
        path = path / name;
    SLIPWAY_TRY(auto place, place_of(machine, path, EEXIST));
    if (force && ::unlinkat(place.directory.raw(), place.name.c_str(), 0) != 0 && errno != ENOENT)
        return fail_errno(path.str());
    return failed_unless(::symlinkat(target.c_str(), place.directory.raw(), place.name.c_str()),
                         path);
}
Status ln_s(Machine& machine, const std::string& target, const GuestPath& path) {
    return symlink(machine, target, path, false);
}
Status ln_sf(Machine& machine, const std::string& target, const GuestPath& path) {
    return symlink(machine, target, path, true);
}

Status rm(Machine& machine, const GuestPath& path) {
    SLIPWAY_TRY(auto place, place_of(machine, path, EISDIR));
    return failed_unless(::unlinkat(place.directory.raw(), place.name.c_str(), 0), path);
}
Status rm_f(Machine& machine, const GuestPath& path) {
    auto done = rm(machine, path);
    return !done && done.error().errno_value == ENOENT ? Status{} : done;
}
Status rmdir(Machine& machine, const GuestPath& path) {
    SLIPWAY_TRY(auto place, place_of(machine, path, EBUSY));
    return failed_unless(::unlinkat(place.directory.raw(), place.name.c_str(), AT_REMOVEDIR), path);
}
Status rm_rf(Machine& machine, const GuestPath& path) {
    if (path.str() == "/")
        return fail(Code::InvalidArgument, "the root directory cannot be removed");
    auto place = place_of(machine, path, EBUSY);
    if (!place && (place.error().errno_value == ENOENT || place.error().errno_value == ENOTDIR))
        return {};
    if (!place)
        return fail(std::move(place).error());
    return remove_tree(place->directory, place->name, path.str(), machine.host.cancel);
}

// The name that the C library found is that of the template, by its place in the open directory.
template <class Make>
Result<std::string> make_temporary(Machine& machine, const GuestPath& pattern,
                                   const std::string& suffix, Make make) {
    if (suffix.find('/') != std::string::npos)
        return fail(Code::InvalidArgument, "the suffix has a slash");
    SLIPWAY_TRY(auto place, place_of(machine, pattern, EINVAL));
    auto path = fmt::format("{}/{}{}", sys::proc_path(place.directory.raw()), place.name, suffix);
    if (!make(path.data()))
        return fail_errno(pattern.str());
    return (pattern.parent() / basename_of(path)).str();
}
Result<std::string> mkdtemp(Machine& machine, const GuestPath& pattern) {
    return make_temporary(machine, pattern, "",
                          [](char* path) { return ::mkdtemp(path) != nullptr; });
}
Result<std::string> mktemp(Machine& machine, const GuestPath& pattern,
                           const std::optional<std::string>& suffix) {
    auto end = suffix.value_or("");
    return make_temporary(machine, pattern, end, [&](char* path) {
        return sys::OwnedFd(::mkostemps(path, static_cast<int>(end.size()), O_CLOEXEC)).valid();
    });
}

Status fill_dir(Machine& machine, const GuestPath& path, std::int64_t count) {
    SLIPWAY_TRY(auto directory, open_file(machine, path, O_PATH | O_DIRECTORY));
    sys::LongLoop loop(machine.host.cancel);
    for (std::int64_t i = 0; i < count; ++i) {
        SLIPWAY_CHECK(loop.step());
        auto name = fmt::format("{:08}", i);
        auto file = sys::open_at(directory, name, O_WRONLY | O_CREAT | O_NOFOLLOW, 0666);
        if (!file)
            return fail(std::move(file.error()).in(path.str()));
    }
    return {};
}

} // namespace

Status remove_tree(sys::BorrowedFd directory, const std::string& name, const std::string& shown,
                   const Cancel& cancel) {
    Status first;
    auto note = [&](int result, const std::string& below) {
        if (result != 0 && errno != ENOENT && first)
            first = fail_errno(below.empty() ? shown : fmt::format("{}/{}", shown, below));
    };
    struct stat info {};
    if (::fstatat(directory.raw(), name.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0) {
        note(-1, "");
        return first;
    }
    if (!S_ISDIR(info.st_mode)) {
        note(::unlinkat(directory.raw(), name.c_str(), 0), "");
        return first;
    }
    SLIPWAY_TRY(auto top, sys::open_at(directory, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
    SLIPWAY_CHECK(sys::walk_tree(
        top, {.enter = [&](const sys::WalkEntry& entry) -> Result<bool> {
                  if (entry.type == DT_DIR)
                      return true;
                  note(::unlinkat(entry.directory.raw(), entry.name.c_str(), 0), entry.path);
                  return false;
              },
              .leave = [&](const sys::WalkEntry& entry) -> Status {
                  note(::unlinkat(entry.directory.raw(), entry.name.c_str(), AT_REMOVEDIR),
                       entry.path);
                  return {};
              },
              .cancel = cancel}));
    note(::unlinkat(directory.raw(), name.c_str(), AT_REMOVEDIR), "");
    return first;
}

Calls making_calls() {
    static constexpr Call calls[] = {
        {"mkdir", bind<mkdir>},
        {"mkdir_mode", bind<mkdir_mode>},
        {"mkdir_p", bind<mkdir_p>},
        {"mkdtemp", bind<mkdtemp>},
        {"mktemp", bind<mktemp>},
        {"mkfifo", bind<mkfifo>},
        {"mknod", bind<mknod>},
        {"mknod_b", bind<make_device<S_IFBLK>>},
        {"mknod_c", bind<make_device<S_IFCHR>>},
        {"touch", bind<touch>},
        {"fill_dir", bind<fill_dir>},
        {"ln", bind<ln>},
        {"ln_f", bind<ln_f>},
        {"ln_s", bind<ln_s>},
        {"ln_sf", bind<ln_sf>},
        {"rm", bind<rm>},
        {"rm_f", bind<rm_f>},
        {"rm_rf", bind<rm_rf>},
        {"rmdir", bind<rmdir>},
    };
    return calls;
}

} // namespace slipway::calls
