// SPDX-License-Identifier: Apache-2.0
// Paths of a guest whose own system takes "Windows" and "WINDOWS" for the same.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "guest/files.hpp"

namespace slipway::guest {

/// The path as it is spelled in the guest: of each component that is not there as given, the first
/// that differs in the case of ASCII letters only. Nothing where there is none. No finding, but for
/// a directory with more entries than are looked at.
[[nodiscard]] std::optional<std::string> find_folded(const GuestFiles& files,
                                                     std::string_view path);

} // namespace slipway::guest
