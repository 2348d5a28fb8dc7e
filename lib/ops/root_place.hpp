// SPDX-License-Identifier: Apache-2.0
// Where test roots stand, and how they come and go in one step.
//
// A root in the making stands beside its place as .NAME.slipway-new, one that is being deleted as
// .NAME.slipway-old. Both are touched only under a lock of the directory that they are in, so that
// whoever has that lock knows them for leftovers.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "rootfs/build.hpp"
#include "rootfs/manifest.hpp"
#include "sys/fd.hpp"
#include "sys/host.hpp"

namespace slipway::ops {

/// $XDG_DATA_HOME/slipway/rootfs, else ~/.local/share/slipway/rootfs. InvalidArgument without
/// either.
[[nodiscard]] Result<std::string> default_root_directory();

/// A name becomes a path below the default place; what has a slash is a path. Absolute, without
/// "..", last slashes and links in it unresolved. InvalidArgument.
[[nodiscard]] Result<std::string> root_path(const std::string& name_or_path);

/// The manifest of a root, if the directory (no link) is there and is one of ours. NotFound:
/// nothing is there. InvalidArgument: a link, no directory, no manifest of ours; Corrupt: a broken
/// one.
[[nodiscard]] Result<rootfs::Manifest> root_manifest(const std::string& path);

/// Directories above a root that are not there yet: whoever makes them takes them away again, as
/// far as they are empty, unless the root is kept.
class NewParents {
public:
    explicit NewParents(const std::string& path);
    ~NewParents();
    NewParents(const NewParents&) = delete;
    NewParents& operator=(const NewParents&) = delete;
    void keep() { missing_.clear(); }

private:
    std::vector<std::string> missing_; ///< innermost first
};

class RootPlace {
public:
    /// Makes the directory above (for the user alone, if it is the default place) and locks it.
    /// InvalidArgument for / and home. Cancelled.
    [[nodiscard]] static Result<RootPlace> open(const sys::Host& host, const std::string& path);

    [[nodiscard]] const std::string& path() const { return path_; }
    [[nodiscard]] std::string passing() const { return beside(".slipway-new"); }
    [[nodiscard]] std::string old() const { return beside(".slipway-old"); }
    /// Exists where something is there and `force` is not set; else InvalidArgument where it is no
    /// root of ours and Busy where a machine uses it.
    [[nodiscard]] Status check_free(bool force) const;
    /// Removes what killed commands have left of this root.
    [[nodiscard]] Status sweep(const sys::Host& host) const;
    /// Gives the whole tree at `passing` its name, and removes what had it.
    [[nodiscard]] Status publish(const sys::Host& host) const;
    /// Takes the root from its name, and removes it. Busy.
    [[nodiscard]] Status remove(const sys::Host& host) const;

private:
    RootPlace(std::string path, sys::OwnedFd lock)
        : path_(std::move(path)), lock_(std::move(lock)) {}
    [[nodiscard]] std::string beside(std::string_view ending) const;
    std::string path_;
    sys::OwnedFd lock_;
};

/// Leftovers beside roots in a directory, by their path.
[[nodiscard]] std::vector<std::string> root_leftovers(const std::string& directory);

/// Why others can start the set-uid programs of a root in this directory with the user's rights, or
/// "": they can reach it.
[[nodiscard]] std::string exposure_of(const std::string& path);

} // namespace slipway::ops
