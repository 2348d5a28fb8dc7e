// SPDX-License-Identifier: Apache-2.0
// Work on the files of a root, by a process that may: root of a namespace with all of its ids, see
// task.hpp. No link of the root leads out of it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "rootfs/manifest.hpp"
#include "sys/root_dir.hpp"

namespace slipway::rootfs {

/// Takes away what the installation left and what is of this host: caches, logs, lists, lock and
/// backup files, device nodes, names of host and mirror. `archive_line` becomes sources.list.
[[nodiscard]] Status tidy(const sys::RootDir& root, const std::string& archive_line);

/// Writes the profile's groups, users with their homes, and files. Its commands are run after it.
[[nodiscard]] Status apply_profile(const sys::RootDir& root, const Profile& profile, long snapshot);

/// Empties /tmp and /run, writes the manifest with what is installed, and sets every time that is
/// later than the snapshot to it. The last step. Returns the manifest.
[[nodiscard]] Result<Manifest> finish(const sys::RootDir& root, Manifest manifest);

/// What a look into a root found.
struct Facts {
    Error manifest_error{}; ///< where `manifest` is none
    std::optional<Manifest> manifest;
    std::string release{};               ///< PRETTY_NAME
    std::uint64_t size = 0;              ///< bytes on the disk, hard links once
    std::vector<std::string> missing{};  ///< a line for each thing that the profile wants
    std::vector<std::string> unusable{}; ///< a line for each thing that no system lives without
};
[[nodiscard]] Facts look(const sys::RootDir& root);

[[nodiscard]] Json to_json(const Facts& facts);
[[nodiscard]] Facts facts_from_json(const Json& json);

} // namespace slipway::rootfs
