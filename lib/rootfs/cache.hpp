// SPDX-License-Identifier: Apache-2.0
// Where layers, packages and what mirrors said are kept: rootfs/ of sys::cache_directory.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "sys/cache.hpp"

namespace slipway::rootfs {

class Cache {
public:
    /// Makes the directories, for the user alone: a layer has set-uid programs. Permission,
    /// NoSpace.
    [[nodiscard]] static Result<Cache> open();
    /// The path, whether or not it is there. Errors are those of sys::cache_directory.
    [[nodiscard]] static Result<std::string> directory();

    [[nodiscard]] std::string layers() const { return path_ + "/layers"; }
    [[nodiscard]] std::string layer(const std::string& key) const { return layers() + "/" + key; }
    /// A layer in the making; what has such a name and no lock holder is a leftover.
    [[nodiscard]] std::string new_layer(const std::string& key) const {
        return layers() + "/" + std::string(new_mark) + key;
    }
    [[nodiscard]] bool has_layer(const std::string& key) const;
    /// The directory of the packages of a suite, made.
    [[nodiscard]] Result<std::string> packages(const std::string& suite,
                                               const std::string& architecture) const;
    /// For temporary files of tools; emptied by `leftovers`.
    [[nodiscard]] std::string scratch() const { return path_ + "/tmp"; }
    [[nodiscard]] std::string mirrors() const { return path_ + "/mirrors"; }
    [[nodiscard]] const std::string& path() const { return path_; }

    /// Shared: layers may be used; alone: they may be made and removed.
    [[nodiscard]] Result<sys::OwnedFd> lock(sys::LockMode mode, const Cancel& cancel,
                                            const Log& log) const;
    /// Changes how what `lock` returned is locked; for a moment it may not be.
    [[nodiscard]] Status wait(sys::BorrowedFd lock, sys::LockMode mode, const Cancel& cancel,
                              const Log& log) const;
    /// Notes that a layer is used now.
    void touch(const std::string& key) const;
    /// Paths that a killed build has left. Only with the lock, alone.
    [[nodiscard]] std::vector<std::string> leftovers() const;
    /// Paths of layers that nobody has used for so many days.
    [[nodiscard]] std::vector<std::string> unused_layers(unsigned days) const;

private:
    static constexpr std::string_view new_mark = ".new-";
    explicit Cache(std::string path) : path_(std::move(path)) {}
    std::string path_;
};

/// Writes what is in a directory, and the names that lead to it, to the disk.
[[nodiscard]] Status sync_tree(const std::string& directory);
/// Renames a tree that is whole to its name, and syncs that. Exists: the name is taken.
[[nodiscard]] Status publish_tree(const std::string& from, const std::string& to);

} // namespace slipway::rootfs
