// SPDX-License-Identifier: Apache-2.0
#include "calls/tree_copy.hpp"

#include <array>
#include <map>
#include <utility>

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>

#include "base/strings.hpp"
#include "sys/file_copy.hpp"
#include "sys/tree_walk.hpp"

namespace slipway::calls {
namespace {

using sys::GuestPath;

// A name in an open directory, where it is copied from or to.
struct Node {
    sys::BorrowedFd directory;
    const std::string& name;
    [[nodiscard]] bool look(struct stat& info) const {
        return ::fstatat(directory.raw(), name.c_str(), &info, AT_SYMLINK_NOFOLLOW) == 0;
    }
    [[nodiscard]] Result<sys::OwnedFd> open(int flags, mode_t mode = 0) const {
        return sys::open_at(directory, name, flags | O_NOFOLLOW, mode);
    }
};

class Copier {
public:
    Copier(const sys::RootDir& root, const CopyStyle& style, Cancel cancel)
        : root_(root), style_(style), cancel_(std::move(cancel)) {}

    Status copy(const Node& from, const Node& to, const GuestPath& target) {
        struct stat info {};
        if (!from.look(info))
            return fail_errno(from.name);
        top_ = target;
        if (!S_ISDIR(info.st_mode))
            return copy_entry(from, to, info, "");
        SLIPWAY_CHECK(enter_directory(to, info, ""));
        SLIPWAY_TRY(auto top, from.open(O_RDONLY | O_DIRECTORY));
        SLIPWAY_CHECK(
            sys::walk_tree(top, {.enter = [this](const auto& entry) { return enter(entry); },
                                 .leave = [this](const auto& entry) { return leave(entry); },
                                 .cancel = cancel_}));
        return finish_directory(from, to, info, "");
    }

    /// The content alone, into a file that may be there.
    Status copy_content(sys::BorrowedFd from, const Node& to, const struct stat& info,
                        const std::string& path) {
        auto file = to.open(O_WRONLY | O_CREAT | O_TRUNC | O_NONBLOCK, info.st_mode & 0777);
        bool is_special =
            !file && (file.error().errno_value == ELOOP || file.error().errno_value == ENXIO);
        if (is_special) {
            if (::unlinkat(to.directory.raw(), to.name.c_str(), 0) != 0)
                return failed(path);
            file = to.open(O_WRONLY | O_CREAT | O_EXCL, info.st_mode & 0777);
        }
        if (!file)
            return fail(os_error(shown(path), file.error().errno_value));
        return sys::copy_content(from, *file, shown(path), cancel_);
    }

private:
    using Identity = std::pair<dev_t, ino_t>;

    [[nodiscard]] std::string shown(const std::string& path) const {
        return path.empty() ? top_.str() : fmt::format("{}/{}", top_.str(), printable(path));
    }
    [[nodiscard]] tl::unexpected<Error> failed(const std::string& path) const {
        return fail_errno(shown(path));
    }

    Result<bool> enter(const sys::WalkEntry& entry) {
        Node from{entry.directory, entry.name}, to{directory_, entry.name};
        struct stat info {};
        if (!from.look(info))
            return failed(entry.path);
        if (!S_ISDIR(info.st_mode)) {
            SLIPWAY_CHECK(copy_entry(from, to, info, entry.path));
            return false;
        }
        if (made_.contains({info.st_dev, info.st_ino}))
            return fail(Code::InvalidArgument,
                        fmt::format("{}: a directory cannot be copied into itself", top_.str()));
        SLIPWAY_CHECK(enter_directory(to, info, entry.path));
        return true;
    }

    Status leave(const sys::WalkEntry& entry) {
        SLIPWAY_TRY(auto above, sys::open_at(directory_, "..", O_RDONLY | O_DIRECTORY));
        directory_ = std::move(above);
        struct stat info {};
        Node from{entry.directory, entry.name};
        if (!from.look(info))
            return failed(entry.path);
        return finish_directory(from, {directory_, entry.name}, info, entry.path);
    }

    // Makes it unless it is there, and goes into it.
    Status enter_directory(const Node& to, const struct stat& info, const std::string& path) {
        bool is_new = ::mkdirat(to.directory.raw(), to.name.c_str(), 0700) == 0;
        if (!is_new && errno != EEXIST)
            return failed(path);
        auto opened = to.open(O_RDONLY | O_DIRECTORY);
        if (!opened)
            return fail(os_error(shown(path), opened.error().errno_value));
        struct stat made {};
        if (::fstat(opened->raw(), &made) != 0)
            return failed(path);
        made_.insert({{made.st_dev, made.st_ino}, true});
        if (is_new && !style_.preserve) {
            auto mask = ::umask(0);
            ::umask(mask);
            new_modes_.insert({{made.st_dev, made.st_ino}, info.st_mode & 0777 & ~mask});
        }
        directory_ = std::move(*opened);
        return {};
    }

    // Its mode comes after what is in it, as it may forbid to write.
    Status finish_directory(const Node& from, const Node& to, const struct stat& info,
                            const std::string& path) {
        if (style_.preserve)
            return copy_attributes(from, to, info, path);
        struct stat made {};
        if (!to.look(made))
            return failed(path);
        auto mode = new_modes_.find({made.st_dev, made.st_ino});
        if (mode != new_modes_.end() &&
            ::fchmodat(to.directory.raw(), to.name.c_str(), mode->second, 0) != 0)
            return failed(path);
        return {};
    }

    Status copy_entry(const Node& from, const Node& to, const struct stat& info,
                      const std::string& path) {
        if (style_.preserve && info.st_nlink > 1) {
            SLIPWAY_TRY(bool linked, link_to_first(to, info, path));
            if (linked)
                return {};
        }
        if (S_ISREG(info.st_mode)) {
            SLIPWAY_TRY(auto file, from.open(O_RDONLY | O_NONBLOCK));
            SLIPWAY_CHECK(copy_content(file, to, info, path));
        } else
            SLIPWAY_CHECK(copy_special(from, to, info, path));
        return style_.preserve ? copy_attributes(from, to, info, path) : Status{};
    }

    Status copy_special(const Node& from, const Node& to, const struct stat& info,
                        const std::string& path) {
        if (::unlinkat(to.directory.raw(), to.name.c_str(), 0) != 0 && errno != ENOENT)
            return failed(path);
        if (!S_ISLNK(info.st_mode)) {
            auto mode = info.st_mode & (S_IFMT | 0777);
            return ::mknodat(to.directory.raw(), to.name.c_str(), mode, info.st_rdev) == 0
                       ? Status{}
                       : Status(failed(path));
        }
        std::array<char, 4097> target{};
        auto size =
            ::readlinkat(from.directory.raw(), from.name.c_str(), target.data(), target.size() - 1);
        if (size < 0 || ::symlinkat(target.data(), to.directory.raw(), to.name.c_str()) != 0)
            return failed(path);
        return {};
    }

    // Another name of what was copied before.
    Result<bool> link_to_first(const Node& to, const struct stat& info, const std::string& path) {
        auto [first, is_new] = linked_.try_emplace({info.st_dev, info.st_ino}, path);
        if (is_new || path.empty())
            return false;
        auto name = top_;
        for (auto part : split(first->second, '/'))
            name = name / part;
        SLIPWAY_TRY(auto directory, root_.open_parent(name));
        (void)::unlinkat(to.directory.raw(), to.name.c_str(), 0);
        if (::linkat(directory.raw(), std::string(name.name()).c_str(), to.directory.raw(),
                     to.name.c_str(), 0) != 0)
            return failed(path);
        return true;
    }

    Status copy_attributes(const Node& from, const Node& to, const struct stat& info,
                           const std::string& path) {
        SLIPWAY_TRY(auto source, from.open(O_PATH));
        SLIPWAY_TRY(auto target, to.open(O_PATH));
        // The owner first, as its change takes away setuid and capabilities.
        if (::fchownat(target.raw(), "", info.st_uid, info.st_gid, AT_EMPTY_PATH) != 0)
            return failed(path);
        if (auto copied = sys::copy_extended_attributes(source, target, shown(path));
            !copied && copied.error().errno_value != ENOTSUP)
            return copied;
        if (!S_ISLNK(info.st_mode) &&
            ::chmod(sys::proc_path(target.raw()).c_str(), info.st_mode & 07777) != 0)
            return failed(path);
        const std::array times{info.st_atim, info.st_mtim};
        if (::utimensat(to.directory.raw(), to.name.c_str(), times.data(), AT_SYMLINK_NOFOLLOW) !=
            0)
            return failed(path);
        return {};
    }

    const sys::RootDir& root_;
    CopyStyle style_;
    Cancel cancel_;
    GuestPath top_{"/"};
    sys::OwnedFd directory_; ///< that is being copied to
    std::map<Identity, bool> made_;
    std::map<Identity, mode_t> new_modes_;
    std::map<Identity, std::string> linked_; ///< by their first paths, from the top
};

// As cp(1) without -r: links are followed, on both sides.
Status copy_followed(Machine& machine, const GuestPath& source, const GuestPath& target) {
    SLIPWAY_TRY(auto root, machine.root());
    SLIPWAY_TRY(auto file, root.open_path(source, O_RDONLY));
    struct stat info {};
    if (::fstat(file.raw(), &info) != 0)
        return fail_errno(source.str());
    if (S_ISDIR(info.st_mode))
        return fail(Code::InvalidArgument, fmt::format("{} is a directory", source.str()),
                    "cp_a and cp_r copy directories");
    auto real = root.real_path(target);
    auto name = real ? *real : target;
    if (auto other = root.stat(name);
        other && other->st_dev == info.st_dev && other->st_ino == info.st_ino)
        return fail(Code::InvalidArgument,
                    fmt::format("{} and {} are the same file", source.str(), target.str()));
    SLIPWAY_TRY(auto place, place_of(machine, name, EISDIR));
    return Copier(root, {}, machine.host.cancel)
        .copy_content(file, {place.directory, place.name}, info, "");
}

} // namespace

GuestPath place_under(const sys::RootDir& root, const GuestPath& source, const GuestPath& target) {
    return root.is_dir(target) && source.str() != "/" ? target / source.name() : target;
}

Status copy_tree(Machine& machine, const GuestPath& source, const GuestPath& target,
                 const CopyStyle& style) {
    SLIPWAY_TRY(auto root, machine.root());
    auto name = place_under(root, source, target);
    if (!style.recursive)
        return copy_followed(machine, source, name);
    SLIPWAY_TRY(auto from, place_of(machine, source, EBUSY));
    SLIPWAY_TRY(auto to, place_of(machine, name, EBUSY));
    struct stat one {
    }, other{};
    if (!Node{from.directory, from.name}.look(one))
        return fail_errno(source.str());
    if (Node{to.directory, to.name}.look(other) && one.st_dev == other.st_dev &&
        one.st_ino == other.st_ino)
        return fail(Code::InvalidArgument,
                    fmt::format("{} and {} are the same file", source.str(), name.str()));
    return Copier(root, style, machine.host.cancel)
        .copy({from.directory, from.name}, {to.directory, to.name}, name);
}

} // namespace slipway::calls
