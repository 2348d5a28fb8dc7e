// SPDX-License-Identifier: Apache-2.0
// check.time: how long each test took the last time it passed. Pure.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace slipway::fstests {

/// Seconds by the name of the test.
using Durations = std::map<std::string, double>;
/// Lines "generic/001 5"; others are left out.
[[nodiscard]] Durations parse_check_time(std::string_view text);
[[nodiscard]] std::string render_check_time(const Durations& durations);

/// Splits tests so that all parts take about as long: the longest first, to the part that has the
/// least. A test without a duration is taken to last as long as the middle one of the others. The
/// order within a part is that of `tests`. No part is empty while there are tests.
[[nodiscard]] std::vector<std::vector<std::string>>
split_by_duration(const std::vector<std::string>& tests, const Durations& durations,
                  std::size_t parts);

} // namespace slipway::fstests
