// SPDX-License-Identifier: Apache-2.0
// A run as JUnit XML, and as a page of HTML. Pure.
#pragma once

#include <string>
#include <string_view>

#include "fstests/records.hpp"

namespace slipway::fstests {

/// A testsuite for each section, as continuous integration servers read it.
[[nodiscard]] std::string render_junit(const Run& run);
/// One page that needs no other file and no network: a table with a filter, the durations as a
/// chart, diffs and consoles folded.
[[nodiscard]] std::string render_html(const Run& run);

/// Text for XML and HTML, in elements and in quoted attributes; what XML 1.0 cannot hold is
/// replaced.
[[nodiscard]] std::string escape_markup(std::string_view given);

} // namespace slipway::fstests
