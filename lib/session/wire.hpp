// SPDX-License-Identifier: Apache-2.0
// Control messages as they travel: JSON, whose strings must be UTF-8, while names of files and
// words of a command line are any bytes.
#pragma once

#include <string>
#include <string_view>

#include "base/error.hpp"
#include "base/json.hpp"

namespace slipway::session {

/// Strings that are no UTF-8 stand as U+0000 and their bytes in hexadecimal. Nothing is lost.
[[nodiscard]] std::string to_wire(Json message);
/// The message again. Corrupt, naming `what`, where it is no JSON or no such string.
[[nodiscard]] Result<Json> from_wire(std::string_view text, std::string_view what);

} // namespace slipway::session
