// SPDX-License-Identifier: Apache-2.0
// /etc/slipway-rootfs.json: what makes a directory a root of ours, and says how it was made.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "rootfs/recipe.hpp"
#include "sys/root_dir.hpp"

namespace slipway::rootfs {

constexpr std::string_view manifest_path = "/etc/slipway-rootfs.json";
constexpr std::string_view manifest_schema = "slipway.rootfs.v1";

/// No time of its own and nothing of the host: equal roots have equal manifests.
struct Manifest {
    unsigned recipe = recipe_version;
    std::string layer; ///< key of the layer that the root is a copy of
    std::string base;  ///< key of that below
    std::string suite;
    std::string distribution;
    std::string release; ///< PRETTY_NAME of os-release(5)
    std::string architecture;
    long snapshot = 0;                             ///< seconds since 1970
    Profile profile;                               ///< as it was applied
    std::vector<std::string> added_packages{};     ///< on the command line, to the profile's
    std::map<std::string, std::string> packages{}; ///< version by name
};

[[nodiscard]] Json to_json(const Manifest& manifest);
/// Corrupt where it is none of ours.
[[nodiscard]] Result<Manifest> manifest_from_json(const Json& json);
/// InvalidArgument: there is none, or it is a link or no file; Corrupt as above.
[[nodiscard]] Result<Manifest> read_manifest(const sys::RootDir& root);
/// Whether there is a file that was a manifest of ours, of whatever version and however broken.
[[nodiscard]] bool has_marker(const sys::RootDir& root);

/// The profile without what the command line added to it.
[[nodiscard]] Profile plain_profile(const Manifest& manifest);

/// Versions by name, of /var/lib/dpkg/status.
[[nodiscard]] std::map<std::string, std::string> parse_packages(std::string_view status);
/// The profile's packages that are not there, as it writes them.
[[nodiscard]] std::vector<std::string>
missing_packages(const Profile& profile, const std::map<std::string, std::string>& installed);

} // namespace slipway::rootfs
