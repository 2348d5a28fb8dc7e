// SPDX-License-Identifier: Apache-2.0
// Addresses of what is fetched; pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/error.hpp"

namespace slipway::http {

struct Url {
    bool secure = false; ///< https
    std::string host;    ///< a name, or an address; IPv6 without its brackets
    std::uint16_t port = 80;
    std::string target = "/"; ///< path and query, as they go into the request; no fragment

    bool operator==(const Url&) const = default;
    [[nodiscard]] std::string str() const;
    /// "name", "name:8080", "[::1]": what the header Host has.
    [[nodiscard]] std::string authority() const;
};

/// "http://host[:port][/path][?query]", and the same with https. InvalidArgument: another scheme,
/// user names and passwords (they end in logs), blanks and control characters, a bad port.
[[nodiscard]] Result<Url> parse_url(std::string_view text);
/// What a Location of an answer from `base` means: a whole URL, or a path beside it.
[[nodiscard]] Result<Url> resolve_url(const Url& base, std::string_view reference);

} // namespace slipway::http
