// SPDX-License-Identifier: Apache-2.0
// SHA-256 as people and sha256sum(1) write it; pure.
#pragma once

#include <string>
#include <string_view>

#include "base/error.hpp"

namespace slipway::loading {

/// 64 hexadecimal digits.
[[nodiscard]] bool is_sha256(std::string_view text);

/// Of a file in what sha256sum(1) says of some: "DIGEST  NAME", "DIGEST *NAME", names with or
/// without directories; or a digest alone. In lower case. NotFound: it has rows, of other files;
/// Corrupt: this is no such list.
[[nodiscard]] Result<std::string> digest_of(std::string_view name, std::string_view list);

} // namespace slipway::loading
