// SPDX-License-Identifier: Apache-2.0
// What one test came to, of all that check left behind. Pure.
#pragma once

#include "fstests/check_output.hpp"
#include "fstests/records.hpp"
#include "fstests/xunit.hpp"

namespace slipway::fstests {

/// The verdict of the output with what result.xml has of the same test (or nullptr): the diff, the
/// time also of a test that failed, and the reason. Where they disagree the worse status counts.
[[nodiscard]] Attempt attempt_of(const Verdict& verdict, const XunitCase* reported);

} // namespace slipway::fstests
