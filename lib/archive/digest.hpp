// SPDX-License-Identifier: Apache-2.0
// Checksums of data that comes in pieces.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/error.hpp"

namespace slipway::archive {

class Digest {
public:
    Digest() = default;
    Digest(const Digest&) = delete;
    Digest& operator=(const Digest&) = delete;
    virtual ~Digest() = default;
    virtual void add(std::string_view bytes) = 0;
    /// Hexadecimal digits; of "crc" the decimal number. Ends it.
    [[nodiscard]] virtual std::string finish() = 0;
};

/// "crc" (cksum(1) of POSIX), "md5", "sha1", "sha224", "sha256", "sha384", "sha512", "sha512-256".
/// InvalidArgument for others.
[[nodiscard]] Result<std::unique_ptr<Digest>> open_digest(std::string_view name);

} // namespace slipway::archive
