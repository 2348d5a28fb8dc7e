// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <string>
#include <string_view>

namespace slipway::guest {

/// Assignments of an os-release(5) file, quotes and backslash escapes taken away. Never fails:
/// lines that are no assignment are passed over; of a name given twice the last counts.
[[nodiscard]] std::map<std::string, std::string> parse_os_release(std::string_view text);

} // namespace slipway::guest
