// SPDX-License-Identifier: Apache-2.0
// What is said of an image beside it, and signed: NAME.manifest is JSON, NAME.manifest.sig the
// ed25519 signature of its bytes, raw; pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"

namespace slipway::loading {

/// Bytes of a manifest at most.
constexpr std::size_t largest_manifest = 64 << 10;

struct Manifest {
    std::string name;                        ///< of the image's file, without directories
    std::uint64_t size = 0;                  ///< bytes
    std::string sha256;                      ///< in lower case
    std::string architecture;                ///< as `uname -m` names it
    std::optional<std::uint64_t> unpacked{}; ///< bytes of what is in an archive
    /// For fetching parts: NAME.blocks is the SHA-256 of each block, 32 bytes each, and this is its
    /// own. Both or none; 0: none.
    std::uint64_t block_size = 0; ///< bytes
    std::string blocks_sha256{};
    bool operator==(const Manifest&) const = default;
};

/// Corrupt: what is missing or makes no sense; Unsupported: of a later version.
[[nodiscard]] Result<Manifest> parse_manifest(std::string_view text);
[[nodiscard]] std::string render_manifest(const Manifest& manifest);

/// A public key, and how it is called.
struct NamedKey {
    std::string name;
    std::string pem;
};
/// The name of the key that signed these bytes. Permission: none of these; InvalidArgument: one is
/// no ed25519 key. To be asked before anything else is made of the bytes.
[[nodiscard]] Result<std::string> verify_manifest(std::string_view text, std::string_view signature,
                                                  const std::vector<NamedKey>& keys);

} // namespace slipway::loading
