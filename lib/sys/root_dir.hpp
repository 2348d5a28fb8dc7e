// SPDX-License-Identifier: Apache-2.0
// Files of a guest, resolved by the kernel inside the guest's root.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <sys/stat.h>

#include "base/error.hpp"
#include "sys/fd.hpp"

namespace slipway::sys {

/// An absolute path inside a guest. There is no conversion to a path of the host.
class GuestPath {
public:
    /// "/etc/fstab"; a missing first slash is added. InvalidArgument for NUL bytes, "..",
    /// components over 255 and paths over 4095 bytes.
    [[nodiscard]] static Result<GuestPath> parse(std::string_view text);
    /// For literals of ours and names that the kernel gave us; asserts in debug builds.
    explicit GuestPath(std::string_view known_good);

    [[nodiscard]] const std::string& str() const { return path_; }
    [[nodiscard]] GuestPath operator/(std::string_view name) const;
    [[nodiscard]] GuestPath parent() const;
    [[nodiscard]] std::string_view name() const;
    friend bool operator==(const GuestPath&, const GuestPath&) = default;
    friend auto operator<=>(const GuestPath&, const GuestPath&) = default;

private:
    struct Trusted {};
    GuestPath(Trusted, std::string path) : path_(std::move(path)) {}
    std::string path_; // absolute, without "." and double slashes
};

struct DirEntry {
    std::string name;
    unsigned char type; ///< DT_* of readdir(3)
};

class RootDir;

/// A file of a guest about to be replaced: written beside it under a passing name and renamed by
/// `commit`. Mode, owner and extended attributes of an existing file stay. The destructor removes
/// what was not committed.
class FileReplacement {
public:
    FileReplacement(FileReplacement&& other) noexcept;
    FileReplacement& operator=(FileReplacement&&) = delete;
    ~FileReplacement();
    [[nodiscard]] BorrowedFd fd() const { return fd_; }
    /// Syncs and renames.
    [[nodiscard]] Status commit();

private:
    friend class RootDir;
    FileReplacement() = default;
    std::string path_; ///< of the guest, for errors
    std::string name_;
    std::string temporary_; ///< empty: nothing to remove
    mode_t mode_ = 0644;
    OwnedFd directory_;
    OwnedFd existing_; ///< invalid: a new file
    OwnedFd fd_;
};

/// A directory that is the root of a guest. Symbolic links and ".." of the guest never lead out of
/// it (openat2 with RESOLVE_IN_ROOT and RESOLVE_NO_MAGICLINKS, see openat2(2)). Mounts below it are
/// crossed.
class RootDir {
public:
    /// Opens a directory of this process's own view. NotFound, Permission.
    [[nodiscard]] static Result<RootDir> open(const std::string& directory);
    explicit RootDir(OwnedFd directory) : fd_(std::move(directory)) {}

    [[nodiscard]] BorrowedFd fd() const { return fd_; }
    /// Any open(2); O_CLOEXEC is added. Devices and FIFOs are refused unless O_PATH is given.
    [[nodiscard]] Result<OwnedFd> open_path(const GuestPath& path, int flags,
                                            mode_t mode = 0) const;
    /// Whole content of a regular file of at most `limit` bytes.
    [[nodiscard]] Result<std::string> read(const GuestPath& path,
                                           std::size_t limit = 1 << 20) const;
    /// Follows links; false also where the path cannot be looked at.
    [[nodiscard]] bool exists(const GuestPath& path) const;
    [[nodiscard]] bool is_dir(const GuestPath& path) const;
    [[nodiscard]] Result<struct stat> stat(const GuestPath& path, bool follow = true) const;
    [[nodiscard]] Result<std::string> read_link(const GuestPath& path) const;
    /// Entries without "." and "..", sorted by name.
    [[nodiscard]] Result<std::vector<DirEntry>> list(const GuestPath& path) const;
    /// The path with every link resolved, inside the root.
    [[nodiscard]] Result<GuestPath> real_path(const GuestPath& path) const;

    /// Begins to replace a file, following links. A new file gets `mode` and belongs to root.
    [[nodiscard]] Result<FileReplacement> replace(const GuestPath& path, mode_t mode = 0644) const;
    /// `replace` with content that is in memory.
    [[nodiscard]] Status write_atomic(const GuestPath& path, std::string_view content,
                                      mode_t mode = 0644) const;
    [[nodiscard]] Status make_dirs(const GuestPath& path, mode_t mode = 0755) const;
    /// Removes a file or link; an absent one is no error.
    [[nodiscard]] Status remove(const GuestPath& path) const;
    [[nodiscard]] Status make_symlink(const std::string& target, const GuestPath& path) const;
    /// The directory that the path's last component is in, links of it followed, for calls of the
    /// *at family. InvalidArgument for the root.
    [[nodiscard]] Result<OwnedFd> open_parent(const GuestPath& path) const;

private:
    OwnedFd fd_;
};

} // namespace slipway::sys
