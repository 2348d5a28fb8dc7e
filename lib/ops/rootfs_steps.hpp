// SPDX-License-Identifier: Apache-2.0
// What the operations on test roots share. Private to the module.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "ops/cleanup.hpp"
#include "ops/rootfs.hpp"
#include "rootfs/build.hpp"
#include "rootfs/manifest.hpp"
#include "rootfs/tree.hpp"

namespace slipway::ops {

/// What a manifest says, of a root at this path; the time of creation is the directory's own.
[[nodiscard]] TestRoot describe_root(const std::string& path, const rootfs::Manifest& manifest);

/// A shipped profile by its name, or the profile in a TOML file. NotFound, InvalidArgument.
[[nodiscard]] Result<rootfs::Profile> load_profile(const std::string& name_or_file);

/// A runner that is root of namespaces with all ids of a root, and a host that uses it.
struct OwnNamespace {
    std::unique_ptr<session::SupervisedRunner> runner;
    sys::Host host;
};
[[nodiscard]] Result<OwnNamespace> enter_own_namespace(const Context& context);

/// State and problems of what was found in a root. Pure. `expected`: the profile to compare with,
/// none if it is not known any more; `snapshot`: the mirror's date as far as it is known, or 0.
struct Judgement {
    RootState state = RootState::Broken;
    std::vector<std::string> problems{};
};
[[nodiscard]] Judgement judge_root(const rootfs::Facts& facts,
                                   const std::optional<rootfs::Profile>& expected, long snapshot);

/// `cleanup` of test roots: beside them in the default place and in the request's directories, and
/// in the cache.
[[nodiscard]] Result<std::vector<Leftover>> clean_rootfs(const Context& context,
                                                         const CleanupRequest& request);

/// Writes a tree as an image file to `path`; the directory format is no image. Exists, NoSpace,
/// Unsupported without the tool.
struct ImageWish {
    RootFormat format = RootFormat::Tar;
    std::string tree;
    std::string path;
    std::string key;        ///< of the layer: identifiers of the filesystem come from it
    long snapshot = 0;      ///< seconds since 1970
    std::uint64_t size = 0; ///< bytes of the tree
    bool replace = false;
};
[[nodiscard]] Status write_root_image(const sys::Host& host, const ImageWish& wish);
/// The same, to a file that is open; `path` tells where there is room for more.
[[nodiscard]] Status write_root_image(const sys::Host& host, const ImageWish& wish,
                                      sys::BorrowedFd file);

} // namespace slipway::ops
