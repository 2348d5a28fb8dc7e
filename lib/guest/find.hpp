// SPDX-License-Identifier: Apache-2.0
// Which volumes of an image hold an operating system.
// Needs root in a private mount namespace.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "mount/ladder.hpp"
#include "mount/volumes.hpp"
#include "report/finding.hpp"

namespace slipway::guest {

struct FoundSystem {
    std::string root;    ///< "sda2" or "btrfs:sda2/@", as --root takes it
    std::string type;    ///< as in report::OperatingSystem
    std::string product; ///< PRETTY_NAME, or ""
};

struct SystemSearch {
    std::vector<FoundSystem> systems;
    /// Root of the first system, read-only at the target; MountTree takes it over.
    std::optional<mount::MountedVolume> mounted{};
    report::Findings findings{};        ///< filesystems that could not be looked at
    std::vector<Error> closed{};        ///< of volumes that this engine cannot open
    std::vector<std::string> damaged{}; ///< filesystems that the kernel refuses, with the reason
};

struct FindOptions {
    std::string root{}; ///< look at this one only: "sda2", "btrfs:sda2/@", or "" for all
};

/// Mounts each volume that may hold a system read-only in turn, without journal replay, at `target`
/// (an existing directory). Of a btrfs volume the default subvolume counts, and, where that is
/// none, those of find_system_subvolumes: snapshots of a system are no further systems. Errors:
/// those of `parse_root_name`, and of the mount where `options.root` is given; all else becomes a
/// finding.
[[nodiscard]] Result<SystemSearch>
find_systems(const mount::Volumes& volumes, const std::string& target, const FindOptions& options);

/// The one system, or why there is none to go on with: InvalidArgument where there are several,
/// naming them for --root; Corrupt where a filesystem is damaged; Unsupported where volumes could
/// not be opened, with the remedy; else NotFound.
[[nodiscard]] Result<FoundSystem> pick_system(const SystemSearch& search);

} // namespace slipway::guest
