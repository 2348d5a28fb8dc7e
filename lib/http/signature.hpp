// SPDX-License-Identifier: Apache-2.0
// Signatures by ed25519, with keys in PEM.
#pragma once

#include <string>
#include <string_view>

#include "base/error.hpp"

namespace slipway::http {

/// Bytes of a signature.
constexpr std::size_t signature_size = 64;

/// InvalidArgument: the key is no private ed25519 key, or a password protects it.
[[nodiscard]] Result<std::string> sign(std::string_view bytes, std::string_view private_key);
/// InvalidArgument: it is no public ed25519 key.
[[nodiscard]] Status check_public_key(std::string_view public_key);
/// Whether the signature is of these bytes and this key. InvalidArgument: the key is no public
/// ed25519 key.
[[nodiscard]] Result<bool> is_signed(std::string_view bytes, std::string_view signature,
                                     std::string_view public_key);

} // namespace slipway::http
