// SPDX-License-Identifier: Apache-2.0
// Requests about files of the opened root.
#pragma once

#include "base/json.hpp"
#include "mount/tree.hpp"
#include "sys/root_dir.hpp"
#include "work/peer.hpp"

namespace slipway::work {

/// {"path"} -> {"entries": [{"name", "type"}]}; a file gives itself.
[[nodiscard]] Result<Json> list_files(const sys::RootDir& root, const Json& arguments);
/// {"path", "follow"} -> {"type", "mode", "uid", "gid", "size", "mtime", "target"}
[[nodiscard]] Result<Json> stat_file(const sys::RootDir& root, const Json& arguments);
/// {"path"}: the content on the output stream -> {"size"}
[[nodiscard]] Result<Json> get_file(const sys::RootDir& root, const Json& arguments, Peer& peer);
/// {"path"}: the directory as a tar archive on the output stream -> {"entries"}
[[nodiscard]] Result<Json> get_tree(const sys::RootDir& root, const Json& arguments, Peer& peer);
/// Unsupported for a path at or below a mount point whose filesystem is missing: what is written
/// there would be hidden by it.
[[nodiscard]] Status refuse_hidden(const mount::MountTree& tree, const std::string& path);
/// {"path", "mode"}: the content from the input stream, in place of an existing file -> {"size"}
[[nodiscard]] Result<Json> put_file(const sys::RootDir& root, const Json& arguments, Peer& peer);

} // namespace slipway::work
