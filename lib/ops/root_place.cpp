// SPDX-License-Identifier: Apache-2.0
#include "ops/root_place.hpp"

#include <cstdlib>
#include <filesystem>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>

#include "base/strings.hpp"
#include "ops/rootfs.hpp"

namespace slipway::ops {
namespace {

namespace fs = std::filesystem;
constexpr std::string_view mark = ".slipway-";

std::string home() {
    const char* value = std::getenv("HOME");
    return value != nullptr && *value == '/' ? value : "";
}

bool is_there(const std::string& path) {
    struct stat info {};
    return ::lstat(path.c_str(), &info) == 0;
}

Status make_parent(const std::string& directory) {
    std::error_code failed;
    fs::create_directories(fs::path(directory).parent_path(), failed);
    auto standard = default_root_directory();
    bool is_default = standard && *standard == directory;
    if (!failed && ::mkdir(directory.c_str(), is_default ? 0700 : 0755) != 0 && errno != EEXIST)
        failed = {errno, std::generic_category()};
    if (failed)
        return fail_errno(fmt::format("making {}", directory), failed.value());
    return {};
}

} // namespace

Result<std::string> default_root_directory() {
    if (const char* given = std::getenv("XDG_DATA_HOME"); given != nullptr && *given == '/')
        return fs::path(std::string(given) + "/slipway/rootfs").lexically_normal().string();
    if (auto own = home(); !own.empty())
        return fs::path(own + "/.local/share/slipway/rootfs").lexically_normal().string();
    return fail(Code::InvalidArgument, "there is no place for roots: HOME is not set",
                "name a directory with --path");
}

Result<std::string> root_path(const std::string& name_or_path) {
    if (name_or_path.find('/') == std::string::npos) {
        if (!rootfs::is_root_name(name_or_path))
            return fail(Code::InvalidArgument,
                        fmt::format("'{}' is no name of a root", printable(name_or_path)),
                        "use letters, digits, '.', '_' and '-', or a path with a slash");
        SLIPWAY_TRY(auto directory, default_root_directory());
        return directory + "/" + name_or_path;
    }
    auto path = fs::absolute(name_or_path).lexically_normal().string();
    while (path.size() > 1 && path.ends_with('/'))
        path.pop_back();
    return path;
}

Result<rootfs::Manifest> root_manifest(const std::string& path) {
    struct stat info {};
    if (::lstat(path.c_str(), &info) != 0)
        return fail(Code::NotFound, fmt::format("there is no root at {}", path),
                    "`slipway rootfs create` makes one, `slipway rootfs list` tells of those "
                    "that there are");
    if (!S_ISDIR(info.st_mode))
        return fail(Code::InvalidArgument,
                    fmt::format("{} is {}, no directory", path,
                                S_ISLNK(info.st_mode) ? "a symbolic link" : "a file"));
    SLIPWAY_TRY(auto root, sys::RootDir::open(path));
    auto manifest = rootfs::read_manifest(root);
    if (!manifest)
        return fail(std::move(manifest.error()).in(path));
    return manifest;
}

NewParents::NewParents(const std::string& path) {
    for (auto above = std::string(dirname_of(path)); !is_there(above); above = dirname_of(above))
        missing_.push_back(above);
}

NewParents::~NewParents() {
    for (const auto& directory : missing_)
        ::rmdir(directory.c_str());
}

Result<RootPlace> RootPlace::open(const sys::Host& host, const std::string& path) {
    std::error_code ignored;
    if (path == "/" || path == home() || fs::equivalent(path, "/", ignored) ||
        (!home().empty() && fs::equivalent(path, home(), ignored)))
        return fail(Code::InvalidArgument, fmt::format("{} is no place for a test root", path),
                    "name a directory of its own");
    auto parent = std::string(dirname_of(path));
    SLIPWAY_CHECK(make_parent(parent));
    SLIPWAY_TRY(auto lock, sys::open_file(parent, O_RDONLY | O_DIRECTORY));
    SLIPWAY_CHECK(sys::wait_for_lock(lock, sys::LockMode::Alone, parent, host.cancel, host.log));
    return RootPlace(path, std::move(lock));
}

std::string RootPlace::beside(std::string_view ending) const {
    return fmt::format("{}/.{}{}", dirname_of(path_), basename_of(path_), ending);
}

Status RootPlace::check_free(bool force) const {
    if (!is_there(path_))
        return {};
    if (!force)
        return fail(Code::Exists, fmt::format("{} is there already", path_),
                    "--force replaces a root; `slipway rootfs check` says what it is");
    if (auto manifest = root_manifest(path_); !manifest)
        return fail(std::move(manifest.error())
                        .advise("only a root of Slipway's is replaced: choose another place"));
    SLIPWAY_CHECK(rootfs::check_no_mounts(path_));
    SLIPWAY_TRY(auto lock, lock_root(path_, RootLock::Change));
    return {};
}

Status RootPlace::sweep(const sys::Host& host) const {
    for (const auto& leftover : {passing(), old()})
        if (is_there(leftover))
            SLIPWAY_CHECK(rootfs::remove_tree(host, leftover));
    return {};
}

Status RootPlace::publish(const sys::Host& host) const {
    SLIPWAY_CHECK(rootfs::sync_tree(passing()));
    if (!is_there(path_))
        return rootfs::publish_tree(passing(), path_);
    SLIPWAY_TRY(auto lock, lock_root(path_, RootLock::Change));
    SLIPWAY_CHECK(rootfs::check_no_mounts(path_));
    if (::renameat2(AT_FDCWD, passing().c_str(), AT_FDCWD, path_.c_str(), RENAME_EXCHANGE) != 0)
        return fail_errno(fmt::format("replacing {}", path_));
    if (::rename(passing().c_str(), old().c_str()) != 0 || ::fsync(lock_.raw()) != 0)
        return fail_errno(fmt::format("replacing {}", path_));
    return rootfs::remove_tree(host, old());
}

Status RootPlace::remove(const sys::Host& host) const {
    SLIPWAY_TRY(auto lock, lock_root(path_, RootLock::Change));
    SLIPWAY_CHECK(rootfs::check_no_mounts(path_));
    if (::rename(path_.c_str(), old().c_str()) != 0)
        return fail_errno(fmt::format("removing {}", path_));
    return rootfs::remove_tree(host, old());
}

Result<sys::OwnedFd> lock_root(const std::string& directory, RootLock lock) {
    auto opened = sys::open_file(directory, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
    if (!opened)
        return fail(std::move(opened).error());
    auto operation = (lock == RootLock::Use ? LOCK_SH : LOCK_EX) | LOCK_NB;
    if (::flock(opened->raw(), operation) != 0) {
        if (errno != EWOULDBLOCK)
            return fail_errno(fmt::format("locking {}", directory));
        return fail(Code::Busy, fmt::format("{} is in use", directory),
                    lock == RootLock::Use
                        ? "a machine changes it (--rw), or it is being deleted or replaced"
                        : "end the machine that runs on it first");
    }
    // While we opened it, it may have been renamed away.
    struct stat now {
    }, locked{};
    if (::lstat(directory.c_str(), &now) != 0 || ::fstat(opened->raw(), &locked) != 0 ||
        now.st_dev != locked.st_dev || now.st_ino != locked.st_ino)
        return fail(Code::NotFound, fmt::format("{} is not there any more", directory));
    return opened;
}

std::vector<std::string> root_leftovers(const std::string& directory) {
    std::vector<std::string> found;
    std::error_code failed;
    for (const auto& entry : fs::directory_iterator(directory, failed)) {
        auto name = entry.path().filename().string();
        auto at = name.rfind(mark);
        if (name.starts_with('.') && at != std::string::npos && at > 0 &&
            (name.ends_with("-new") || name.ends_with("-old")) &&
            name.size() == at + mark.size() + 3)
            found.push_back(entry.path().string());
    }
    return found;
}

std::string exposure_of(const std::string& path) {
    for (auto above = fs::path(path).parent_path(); !above.empty(); above = above.parent_path()) {
        struct stat info {};
        if (::stat(above.c_str(), &info) != 0 || (info.st_mode & S_IXOTH) == 0)
            return {};
        if (above == above.root_path())
            break;
    }
    return fmt::format("others can reach {}, and set-uid programs in it run with the rights of the "
                       "user who owns it: chmod 700 {}",
                       path, shell_quote(dirname_of(path)));
}

} // namespace slipway::ops
