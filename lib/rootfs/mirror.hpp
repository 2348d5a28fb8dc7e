// SPDX-License-Identifier: Apache-2.0
// What a mirror serves, asked by apt's own means and remembered for a day.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "rootfs/cache.hpp"
#include "rootfs/recipe.hpp"
#include "rootfs/suites.hpp"
#include "sys/host.hpp"

namespace slipway::rootfs {

/// The head of a Release file (https://wiki.debian.org/DebianRepository/Format).
struct Release {
    std::string origin;   ///< "Debian"
    std::string codename; ///< "bookworm"
    long date = 0;        ///< seconds since 1970
};
/// Corrupt where it has no date. The file's signature is apt's business, when it installs.
[[nodiscard]] Result<Release> parse_release(std::string_view text);

/// What the user asks for.
struct SourceWish {
    std::string suite{};   ///< "": the profile's, or this host's
    std::string mirror{};  ///< ""
    std::string keyring{}; ///< ""
    bool refresh = false;  ///< ask the mirror now
    bool offline = false;  ///< ask nobody: only what is remembered counts
};
struct FoundSource {
    Source source;
    std::vector<std::string> notes{};
};
/// Where the profile's packages come from. InvalidArgument: no such suite; NotFound: no mirror
/// serves it or can be reached, or there are no keys; Unsupported: apt is not installed. Needs no
/// privilege.
[[nodiscard]] Result<FoundSource> find_source(const sys::Host& host, const Cache& cache,
                                              const Profile& profile, const SourceWish& wish);

/// Proxies of apt's configuration and of the environment, by apt's name for them.
[[nodiscard]] std::map<std::string, std::string> find_proxies(const sys::Host& host);

} // namespace slipway::rootfs
