// SPDX-License-Identifier: Apache-2.0
#include "sys/root_dir.hpp"

#include <algorithm>
#include <array>
#include <cassert>
#include <memory>

#include <dirent.h>
#include <linux/openat2.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <fmt/format.h>

#include "base/strings.hpp"

namespace slipway::sys {
namespace {

Result<OwnedFd> open_in_root(BorrowedFd root, const std::string& path, int flags, mode_t mode) {
    open_how how{};
    how.flags = static_cast<std::uint64_t>(flags) | O_CLOEXEC;
    // O_TMPFILE holds the bit of O_DIRECTORY.
    bool makes_file = (flags & O_CREAT) != 0 || (flags & O_TMPFILE) == O_TMPFILE;
    how.mode = makes_file ? mode : 0;
    how.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS;
    long fd = 0;
    // EAGAIN: something was renamed during the walk; the kernel asks us to try again (openat2(2)).
    for (int tries = 0; tries < 16; ++tries) {
        fd = ::syscall(SYS_openat2, root.raw(), path.c_str(), &how, sizeof how);
        if (fd >= 0 || (errno != EAGAIN && errno != EINTR))
            break;
    }
    if (fd < 0)
        return fail_errno(fmt::format("opening {} in the guest", path));
    return OwnedFd(static_cast<int>(fd));
}

Error too_long(std::string what) {
    return {.code = Code::InvalidArgument, .what = std::move(what), .errno_value = ENAMETOOLONG};
}

void copy_attributes(BorrowedFd from, BorrowedFd to) {
    std::array<char, 4096> names{};
    auto size = ::flistxattr(from.raw(), names.data(), names.size());
    for (ssize_t at = 0; at < size;) {
        const char* name = names.data() + at;
        std::array<char, 65536> value{};
        auto length = ::fgetxattr(from.raw(), name, value.data(), value.size());
        if (length >= 0)
            ::fsetxattr(to.raw(), name, value.data(), static_cast<std::size_t>(length), 0);
        at += static_cast<ssize_t>(std::string_view(name).size()) + 1;
    }
}

} // namespace

Result<GuestPath> GuestPath::parse(std::string_view text) {
    if (text.empty())
        return fail(Code::InvalidArgument, "an empty path is no path in the guest");
    if (text.find('\0') != std::string_view::npos)
        return fail(Code::InvalidArgument, "a path in the guest must not hold a NUL byte");
    std::string path;
    for (auto part : split(text, '/')) {
        if (part.empty() || part == ".")
            continue;
        if (part == "..")
            return fail(Code::InvalidArgument, fmt::format("'{}' holds '..'", printable(text)),
                        "give the path from the guest's root without '..'");
        if (part.size() > 255)
            return fail(too_long("a component of the path is longer than 255 bytes"));
        path += '/';
        path += part;
    }
    if (path.size() > 4095)
        return fail(too_long("the path is longer than 4095 bytes"));
    return GuestPath(Trusted{}, path.empty() ? "/" : path);
}

GuestPath::GuestPath(std::string_view known_good) {
    auto parsed = parse(known_good);
    assert(parsed);
    path_ = parsed ? parsed->path_ : "/";
}

GuestPath GuestPath::operator/(std::string_view name) const {
    return GuestPath(Trusted{},
                     path_ == "/" ? fmt::format("/{}", name) : fmt::format("{}/{}", path_, name));
}

GuestPath GuestPath::parent() const {
    return GuestPath(Trusted{}, std::string(dirname_of(path_)));
}

std::string_view GuestPath::name() const {
    return path_ == "/" ? std::string_view{} : basename_of(path_);
}

Result<RootDir> RootDir::open(const std::string& directory) {
    SLIPWAY_TRY(auto fd, open_file(directory, O_PATH | O_DIRECTORY));
    return RootDir(std::move(fd));
}

Result<OwnedFd> RootDir::open_path(const GuestPath& path, int flags, mode_t mode) const {
    if ((flags & O_PATH) != 0)
        return open_in_root(fd_, path.str(), flags, mode);
    // O_NONBLOCK: a FIFO or device of a hostile guest must not hang us before we see what it is.
    auto fd = open_in_root(fd_, path.str(), flags | O_NONBLOCK | O_NOCTTY, mode);
    auto special = [&] {
        return fail(
            Code::InvalidArgument,
            fmt::format("{} in the guest is neither a regular file nor a directory", path.str()));
    };
    struct stat info {};
    if (!fd) {
        // Device nodes (EACCES below nodev) and sockets (ENXIO) cannot even be opened.
        auto found = stat(path, (flags & O_NOFOLLOW) == 0);
        bool is_special = found && !S_ISREG(found->st_mode) && !S_ISDIR(found->st_mode) &&
                          !S_ISLNK(found->st_mode);
        if (is_special)
            return special();
        return fd;
    }
    if (::fstat(fd->raw(), &info) != 0)
        return fail_errno(fmt::format("looking at {} in the guest", path.str()));
    if (!S_ISREG(info.st_mode) && !S_ISDIR(info.st_mode))
        return special();
    ::fcntl(fd->raw(), F_SETFL, ::fcntl(fd->raw(), F_GETFL) & ~O_NONBLOCK);
    return fd;
}

Result<std::string> RootDir::read(const GuestPath& path, std::size_t limit) const {
    SLIPWAY_TRY(auto fd, open_path(path, O_RDONLY));
    auto content = read_all(fd, limit);
    if (!content)
        return fail(
            std::move(content.error()).in(fmt::format("reading {} in the guest", path.str())));
    return content;
}

bool RootDir::exists(const GuestPath& path) const {
    return open_in_root(fd_, path.str(), O_PATH, 0).has_value();
}

bool RootDir::is_dir(const GuestPath& path) const {
    return open_in_root(fd_, path.str(), O_PATH | O_DIRECTORY, 0).has_value();
}

Result<struct stat> RootDir::stat(const GuestPath& path, bool follow) const {
    SLIPWAY_TRY(auto fd, open_in_root(fd_, path.str(), O_PATH | (follow ? 0 : O_NOFOLLOW), 0));
    struct stat info {};
    if (::fstat(fd.raw(), &info) != 0)
        return fail_errno(fmt::format("looking at {} in the guest", path.str()));
    return info;
}

Result<std::string> RootDir::read_link(const GuestPath& path) const {
    SLIPWAY_TRY(auto fd, open_in_root(fd_, path.str(), O_PATH | O_NOFOLLOW, 0));
    std::string target(4096, '\0');
    auto size = ::readlinkat(fd.raw(), "", target.data(), target.size());
    if (size < 0)
        return fail_errno(fmt::format("reading the link {} in the guest", path.str()));
    target.resize(static_cast<std::size_t>(size));
    return target;
}

Result<std::vector<DirEntry>> RootDir::list(const GuestPath& path) const {
    SLIPWAY_TRY(auto fd, open_path(path, O_RDONLY | O_DIRECTORY));
    std::unique_ptr<DIR, int (*)(DIR*)> dir(::fdopendir(fd.raw()), ::closedir);
    if (!dir)
        return fail_errno(fmt::format("listing {} in the guest", path.str()));
    [[maybe_unused]] auto owned_by_dir = fd.release();
    std::vector<DirEntry> entries;
    errno = 0;
    while (const auto* entry = ::readdir(dir.get())) {
        std::string_view name(entry->d_name);
        if (name != "." && name != "..")
            entries.push_back({std::string(name), entry->d_type});
        errno = 0;
    }
    if (errno != 0)
        return fail_errno(fmt::format("listing {} in the guest", path.str()));
    std::sort(entries.begin(), entries.end(),
              [](const auto& a, const auto& b) { return a.name < b.name; });
    return entries;
}

Result<GuestPath> RootDir::real_path(const GuestPath& path) const {
    SLIPWAY_TRY(auto fd, open_in_root(fd_, path.str(), O_PATH, 0));
    auto text_of = [](BorrowedFd which) -> Result<std::string> {
        std::string target(4096, '\0');
        auto size = ::readlink(proc_path(which.raw()).c_str(), target.data(), target.size());
        if (size < 0)
            return fail_errno("resolving a path in the guest");
        target.resize(static_cast<std::size_t>(size));
        return target;
    };
    SLIPWAY_TRY(auto full, text_of(fd));
    SLIPWAY_TRY(auto root, text_of(fd_));
    if (root == "/")
        return GuestPath::parse(full);
    if (full == root)
        return GuestPath("/");
    if (full.size() <= root.size() || full.compare(0, root.size(), root) != 0 ||
        full[root.size()] != '/')
        return fail(Code::Corrupt, fmt::format("{} does not resolve inside the guest", path.str()));
    return GuestPath::parse(std::string_view(full).substr(root.size()));
}

Result<OwnedFd> RootDir::open_parent(const GuestPath& path) const {
    if (path.str() == "/")
        return fail(Code::InvalidArgument,
                    "the guest's root directory cannot be replaced or removed");
    return open_in_root(fd_, path.parent().str(), O_PATH | O_DIRECTORY, 0);
}

FileReplacement::FileReplacement(FileReplacement&& other) noexcept
    : path_(std::move(other.path_)), name_(std::move(other.name_)),
      temporary_(std::exchange(other.temporary_, {})), mode_(other.mode_),
      directory_(std::move(other.directory_)), existing_(std::move(other.existing_)),
      fd_(std::move(other.fd_)) {}

FileReplacement::~FileReplacement() {
    if (!temporary_.empty())
        ::unlinkat(directory_.raw(), temporary_.c_str(), 0);
}

Status FileReplacement::commit() {
    auto failed = [this](std::string_view step) {
        return fail(os_error(fmt::format("{} the new {} in the guest", step, path_)));
    };
    if (existing_.valid()) {
        struct stat info {};
        if (::fstat(existing_.raw(), &info) != 0 ||
            ::fchown(fd_.raw(), info.st_uid, info.st_gid) != 0)
            return failed("giving its owner to");
        mode_ = info.st_mode & 07777;
        copy_attributes(existing_, fd_);
    }
    if (::fchmod(fd_.raw(), mode_) != 0)
        return failed("setting the mode of");
    if (::fsync(fd_.raw()) != 0)
        return failed("syncing");
    if (::renameat(directory_.raw(), temporary_.c_str(), directory_.raw(), name_.c_str()) != 0)
        return failed("naming");
    temporary_.clear();
    return {};
}

Result<FileReplacement> RootDir::replace(const GuestPath& path, mode_t mode) const {
    FileReplacement file;
    file.mode_ = mode;
    auto target = path;
    if (auto real = real_path(path); real) {
        target = *real;
        SLIPWAY_TRY(file.existing_, open_path(target, O_RDONLY));
    } else if (real.error().code != Code::NotFound && real.error().errno_value != ELOOP)
        return fail(std::move(real).error()); // a link that leads nowhere is itself replaced
    SLIPWAY_TRY(file.directory_, open_parent(target));
    file.path_ = target.str();
    file.name_ = target.name();
    auto temporary = fmt::format(".{}.slipway-{}", target.name().substr(0, 200), ::getpid());
    ::unlinkat(file.directory_.raw(), temporary.c_str(), 0); // of an interrupted run
    auto made = open_at(file.directory_, temporary, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
    if (!made)
        return fail(
            std::move(made.error()).in(fmt::format("replacing {} in the guest", target.str())));
    file.fd_ = std::move(*made);
    file.temporary_ = std::move(temporary);
    return file;
}

Status RootDir::write_atomic(const GuestPath& path, std::string_view content, mode_t mode) const {
    SLIPWAY_TRY(auto file, replace(path, mode));
    if (auto written = write_all(file.fd(), content); !written)
        return fail(
            std::move(written.error()).in(fmt::format("replacing {} in the guest", path.str())));
    return file.commit();
}

Status RootDir::make_dirs(const GuestPath& path, mode_t mode) const {
    GuestPath current("/");
    for (auto part : split(path.str(), '/')) {
        if (part.empty())
            continue;
        auto next = current / part;
        if (!is_dir(next)) {
            SLIPWAY_TRY(auto dir, open_in_root(fd_, current.str(), O_PATH | O_DIRECTORY, 0));
            if (::mkdirat(dir.raw(), std::string(part).c_str(), mode) != 0 && errno != EEXIST)
                return fail_errno(fmt::format("making the directory {} in the guest", next.str()));
        }
        current = next;
    }
    return {};
}

Status RootDir::remove(const GuestPath& path) const {
    auto dir = open_parent(path);
    if (!dir)
        return dir.error().code == Code::NotFound ? Status{} : Status{fail(std::move(dir).error())};
    if (::unlinkat(dir->raw(), std::string(path.name()).c_str(), 0) != 0 && errno != ENOENT)
        return fail_errno(fmt::format("removing {} in the guest", path.str()));
    return {};
}

Status RootDir::make_symlink(const std::string& target, const GuestPath& path) const {
    SLIPWAY_TRY(auto dir, open_parent(path));
    if (::symlinkat(target.c_str(), dir.raw(), std::string(path.name()).c_str()) != 0)
        return fail_errno(fmt::format("making the link {} in the guest", path.str()));
    return {};
}

} // namespace slipway::sys
