// SPDX-License-Identifier: Apache-2.0
// The releases of distributions, where they are served, and by whose keys. Pure, but for looking
// whether a file of keys is there.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"

namespace slipway::rootfs {

struct Distribution {
    std::string name;                  ///< "debian", "ubuntu": ID of os-release(5)
    std::string archive;               ///< URL
    std::string old_archive;           ///< URL of releases that the archive has dropped
    std::string components;            ///< "main universe"
    std::vector<std::string> keyrings; ///< files of this host, the first that is there counts
    std::string keyring_hint;          ///< how to get one
};
struct Suite {
    std::string name; ///< code name
    std::string version;
    const Distribution* distribution = nullptr;
};

/// A release by its code name. Nothing for one that is not known.
[[nodiscard]] std::optional<Suite> find_suite(std::string_view name);
/// Code names, newest first, of both distributions.
[[nodiscard]] std::vector<std::string> suite_names();
/// "debian" or "ubuntu", also as archives write themselves ("Debian").
[[nodiscard]] const Distribution* find_distribution(std::string_view name);

/// A line "URL SUITE COMPONENT", as apt tells of this host's configuration.
struct HostSource {
    std::string url; ///< without the last slash
    std::string suite;
};
/// What `apt-get indextargets --format '$(REPO_URI) $(RELEASE)'` prints.
[[nodiscard]] std::vector<HostSource> parse_host_sources(std::string_view text);

/// Where to ask for a suite, in this order: the mirror that the host itself uses for it or for
/// another release of its distribution; the distribution's archive; that of its old releases.
[[nodiscard]] std::vector<std::string> mirrors_of(const Suite& suite,
                                                  const std::vector<HostSource>& host);

/// The suite that this host runs, by its os-release(5), or Debian's stable one where that is no
/// release of ours.
[[nodiscard]] std::string suite_of_host(std::string_view os_release);

/// NotFound, with how to get it, where this host has none of the distribution's keyrings.
[[nodiscard]] Result<std::string> find_keyring(const Distribution& distribution);

} // namespace slipway::rootfs
