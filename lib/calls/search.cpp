// SPDX-License-Identifier: Apache-2.0
// Calls that find files by their names, and measure trees.
#include <algorithm>
#include <memory>
#include <set>

#include <dirent.h>
#include <fcntl.h>
#include <glob.h>
#include <strings.h>
#include <sys/stat.h>

#include <fmt/format.h>

#include "base/strings.hpp"
#include "calls/batch.hpp"
#include "calls/files.hpp"
#include "sys/long_loop.hpp"
#include "sys/tree_walk.hpp"

namespace slipway::calls {
namespace {

using sys::GuestPath;
using Strings = std::vector<std::string>;

// Names as libguestfs gives them: what the path would be without the directory's, which leaves a
// slash at their beginning unless the directory was given with one at its end.
Status find_below(Machine& machine, const std::string& directory, const Take& take) {
    if (!directory.starts_with('/'))
        return fail(Code::InvalidArgument, "a path begins with '/'");
    SLIPWAY_TRY(auto path, GuestPath::parse(directory));
    SLIPWAY_TRY(auto top, open_file(machine, path, O_RDONLY | O_DIRECTORY));
    std::string prefix = directory.ends_with('/') ? "" : "/", name;
    auto done = sys::walk_tree(top, {.enter = [&](const sys::WalkEntry& entry) -> Result<bool> {
                                         name = prefix;
                                         name += entry.path;
                                         SLIPWAY_CHECK(take(name));
                                         return true;
                                     },
                                     .cancel = machine.host.cancel});
    return done ? Status{} : Status(fail(std::move(done.error()).in(path.str())));
}

Result<Strings> find(Machine& machine, const std::string& directory) {
    Strings found;
    SLIPWAY_CHECK(find_below(machine, directory, [&](std::string_view name) -> Status {
        found.emplace_back(name);
        return {};
    }));
    std::sort(found.begin(), found.end());
    return found;
}

Status find0(Machine& machine, const std::string& directory, const Output& output) {
    Batch batch(output);
    SLIPWAY_CHECK(find_below(machine, directory,
                             [&](std::string_view name) { return batch.add(name, '\0'); }));
    return batch.flush();
}

// What glob(3) asks for. It has no place for an argument of ours.
thread_local const sys::RootDir* glob_root = nullptr;
thread_local sys::LongLoop* glob_loop = nullptr;

void* glob_open(const char* path) {
    auto parsed = GuestPath::parse(path);
    auto directory =
        parsed ? glob_root->open_path(*parsed, O_RDONLY | O_DIRECTORY) : fail(os_error("", ENOENT));
    if (!directory) {
        errno = directory.error().errno_value;
        return nullptr;
    }
    auto* listing = ::fdopendir(directory->raw());
    if (listing != nullptr) [[maybe_unused]]
        auto owned_by_listing = directory->release();
    return listing;
}
struct dirent* glob_read(void* listing) {
    return glob_loop->step() ? ::readdir(static_cast<DIR*>(listing)) : nullptr;
}
void glob_close(void* listing) {
    ::closedir(static_cast<DIR*>(listing));
}
template <bool follow> int glob_stat(const char* path, struct stat* info) {
    auto parsed = GuestPath::parse(path);
    auto found = parsed ? glob_root->stat(*parsed, follow) : fail(os_error("", ENOENT));
    if (!found) {
        errno = found.error().errno_value;
        return -1;
    }
    *info = *found;
    return 0;
}

// As GLOB_MARK does, which asks for each path anew from the root on.
Status mark_directories(const sys::RootDir& root, Strings& paths, sys::LongLoop& loop) {
    std::string parent;
    sys::OwnedFd directory;
    for (auto& path : paths) {
        SLIPWAY_CHECK(loop.step());
        auto slash = path.rfind('/');
        if (slash == std::string::npos || path.ends_with('/'))
            continue;
        if (auto of_path = path.substr(0, slash + 1); of_path != parent) {
            auto parsed = GuestPath::parse(of_path);
            auto opened = parsed ? root.open_path(*parsed, O_RDONLY | O_DIRECTORY)
                                 : fail(os_error("", ENOENT));
            directory = opened ? std::move(*opened) : sys::OwnedFd();
            parent = std::move(of_path);
        }
        struct stat info {};
        bool known =
            ::fstatat(directory.raw(), path.c_str() + slash + 1, &info, AT_SYMLINK_NOFOLLOW) == 0;
        if (known && S_ISLNK(info.st_mode))
            known = glob_stat<true>(path.c_str(), &info) == 0;
        if (known && S_ISDIR(info.st_mode))
            path += '/';
    }
    return {};
}

Result<Strings> glob_expand(Machine& machine, const std::string& pattern,
                            std::optional<bool> directory_slash) {
    if (!pattern.starts_with('/'))
        return fail(Code::InvalidArgument,
                    fmt::format("'{}': a pattern begins with '/'", printable(pattern)));
    SLIPWAY_TRY(auto root, machine.root());
    sys::LongLoop loop(machine.host.cancel);
    glob_root = &root;
    glob_loop = &loop;
    std::unique_ptr<glob_t, void (*)(glob_t*)> found(new glob_t{}, [](glob_t* all) {
        ::globfree(all);
        delete all;
        glob_root = nullptr;
        glob_loop = nullptr;
    });
    found->gl_opendir = glob_open;
    found->gl_readdir = glob_read;
    found->gl_closedir = glob_close;
    found->gl_stat = glob_stat<true>;
    found->gl_lstat = glob_stat<false>;
    int result = ::glob(pattern.c_str(), GLOB_BRACE | GLOB_ALTDIRFUNC, nullptr, found.get());
    SLIPWAY_CHECK(machine.host.cancel.check());
    if (result == GLOB_NOMATCH)
        return Strings{};
    if (result != 0)
        return fail(Code::NoSpace, fmt::format("expanding {}", printable(pattern)));
    Strings paths(found->gl_pathv, found->gl_pathv + found->gl_pathc);
    if (directory_slash.value_or(true))
        SLIPWAY_CHECK(mark_directories(root, paths, loop));
    return paths;
}

// The name that differs from this one in the case of letters only, or "".
Result<std::string> folded_name(const sys::RootDir& root, const GuestPath& directory,
                                const std::string& name) {
    SLIPWAY_TRY(auto fd, root.open_path(directory, O_RDONLY | O_DIRECTORY));
    SLIPWAY_TRY(auto entries, sys::read_directory(fd));
    if (std::any_of(entries.begin(), entries.end(),
                    [&](const auto& entry) { return entry.name == name; }))
        return name;
    for (auto& entry : entries)
        if (::strcasecmp(entry.name.c_str(), name.c_str()) == 0)
            return std::move(entry.name);
    return std::string{};
}

Result<std::string> case_sensitive_path(Machine& machine, const GuestPath& path) {
    SLIPWAY_TRY(auto root, machine.root());
    GuestPath found("/");
    for (auto part : split(path.str(), '/')) {
        if (part.empty())
            continue;
        // By the names in the directory: a filesystem may find a file by another spelling.
        std::string name(part);
        SLIPWAY_TRY(auto folded, folded_name(root, found, name));
        if (folded.empty() && (found / name).str().size() < path.str().size())
            return fail(Code::NotFound, fmt::format("{}: not found", printable(name)));
        found = found / (folded.empty() ? name : folded);
    }
    return found.str();
}

Result<std::int64_t> du(Machine& machine, const GuestPath& path) {
    SLIPWAY_TRY(auto root, machine.root());
    SLIPWAY_TRY(auto info, root.stat(path, false));
    auto blocks = static_cast<std::uint64_t>(info.st_blocks);
    std::set<std::pair<dev_t, ino_t>> linked; // counted already
    auto add = [&](const sys::WalkEntry& entry) -> Result<bool> {
        struct stat below {};
        if (::fstatat(entry.directory.raw(), entry.name.c_str(), &below, AT_SYMLINK_NOFOLLOW) != 0)
            return fail_errno(fmt::format("{}/{}", path.str(), printable(entry.path)));
        bool known = !S_ISDIR(below.st_mode) && below.st_nlink > 1 &&
                     !linked.emplace(below.st_dev, below.st_ino).second;
        blocks += known ? 0 : static_cast<std::uint64_t>(below.st_blocks);
        return true;
    };
    if (S_ISDIR(info.st_mode)) {
        SLIPWAY_TRY(auto top, root.open_path(path, O_RDONLY | O_DIRECTORY));
        SLIPWAY_CHECK(sys::walk_tree(top, {.enter = add, .cancel = machine.host.cancel}));
    }
    return static_cast<std::int64_t>((blocks + 1) / 2);
}

} // namespace

Calls search_calls() {
    static constexpr Call calls[] = {
        {"find", bind<find>},
        {"find0", bind<find0>},
        {"glob_expand", bind<glob_expand>},
        {"case_sensitive_path", bind<case_sensitive_path>},
        {"du", bind<du>},
    };
    return calls;
}

} // namespace slipway::calls
