// SPDX-License-Identifier: Apache-2.0
// Keys, certificates and tokens that somebody makes for himself, in PEM.
#pragma once

#include <string>

#include "base/error.hpp"

namespace slipway::http {

/// One of the two is nobody else's business.
struct KeyPair {
    std::string private_key;
    std::string public_key;
};
/// ed25519, for http::sign.
[[nodiscard]] Result<KeyPair> make_key_pair();

struct OwnCertificate {
    std::string certificate;
    std::string key; ///< private
};
/// Of a server that signs for itself: whoever has the certificate knows the server by it (see
/// ClientOptions::pinned), so it names no host and lasts for 30 years. P-256, which browsers know.
[[nodiscard]] Result<OwnCertificate> make_certificate(const std::string& name);

/// So many random bytes, as hexadecimal digits.
[[nodiscard]] std::string make_token(std::size_t bytes = 32);
/// Takes as long for every other text of the same length.
[[nodiscard]] bool is_same_secret(const std::string& one, const std::string& other);

} // namespace slipway::http
