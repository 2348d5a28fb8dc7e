// SPDX-License-Identifier: Apache-2.0
// What tests that were not run say they miss, and how to get it. Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "fstests/records.hpp"

namespace slipway::fstests {

/// Debian's package of a program that fstests uses, or "".
[[nodiscard]] std::string package_of(std::string_view program);
/// What the reason of one test names, without `tests`; nothing where it names nothing that could be
/// added (most reasons: "not suitable for this filesystem type").
[[nodiscard]] std::optional<Need> need_in(std::string_view reason);
/// Of all tests that were not run, the ones that most tests miss first.
[[nodiscard]] std::vector<Need> needs_of(const std::vector<Test>& tests);
/// The packages that these needs name, sorted.
[[nodiscard]] std::vector<std::string> packages_of(const std::vector<Need>& needs);

} // namespace slipway::fstests
