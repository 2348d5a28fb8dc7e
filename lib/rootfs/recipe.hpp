// SPDX-License-Identifier: Apache-2.0
// What a layer is made from, its key, and the command that makes it. Pure.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "rootfs/profile.hpp"
#include "sys/process.hpp"

namespace slipway::rootfs {

/// Changed whenever the same profile gives another root.
constexpr unsigned recipe_version = 2;

/// Where packages come from.
struct Source {
    std::string suite;
    std::string distribution; ///< "debian", "ubuntu"
    std::string mirror;       ///< URL
    std::string archive;      ///< URL that stands in the root, the same on every host
    std::string components;
    std::string keyring;      ///< file of this host
    std::string keys;         ///< digest of that file: who vouches for the packages
    std::string architecture; ///< as of dpkg
    long snapshot = 0;        ///< date of the mirror's release, seconds since 1970
    bool expired = false;     ///< an archive of old releases, whose dates have run out
};

/// Sorted, each once: equal sets of packages are equal lists.
[[nodiscard]] std::vector<std::string> sorted_packages(std::vector<std::string> packages);

/// Of the layer with a distribution's packages.
[[nodiscard]] std::string base_key(const Source& source, const Profile& profile);
/// Of the layer with the profile on top, which a root is a copy of.
[[nodiscard]] std::string layer_key(const std::string& base, const Profile& profile);

/// The mmdebstrap that installs the profile's packages into `directory`, as root of a namespace.
/// `directory` has /var/cache/apt/archives with the packages of earlier runs. `proxies`: of apt's
/// configuration, by key.
[[nodiscard]] sys::ProcessSpec mmdebstrap_spec(const Source& source, const Profile& profile,
                                               const std::string& directory,
                                               const std::map<std::string, std::string>& proxies);

/// Why mmdebstrap failed, by what it wrote: NotFound names the packages; NoSpace; NotFound where
/// the mirror cannot be reached or lacks a file; Corrupt where a signature is wrong; else
/// ToolFailed.
[[nodiscard]] Error explain_failure(const sys::ProcessSpec& spec, int status, std::string_view said,
                                    const Source& source);

/// "2026-07-02T19:05:00Z"
[[nodiscard]] std::string iso_date(long seconds);

} // namespace slipway::rootfs
