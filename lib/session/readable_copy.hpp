// SPDX-License-Identifier: Apache-2.0
// Programs of ours where a user without rights can read them.
#pragma once

#include <string>

#include "base/error.hpp"

namespace slipway::session {

/// The path itself where everybody may read it. Otherwise, for root, that of a copy in
/// /run/slipway, which stays for the next time; for others the path, because they are who reads it.
[[nodiscard]] Result<std::string> readable_copy(const std::string& program);

} // namespace slipway::session
