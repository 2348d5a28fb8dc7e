// SPDX-License-Identifier: Apache-2.0
// A directory of fstests: is it one, is it built, which tests are in it.
#pragma once

#include <string>

#include "fstests/groups.hpp"

namespace slipway::ops {

/// Absolute path of a directory of fstests. NotFound where it has no check or no tests.
[[nodiscard]] Result<std::string> find_suite(const std::string& directory);
/// NotFound where its programs are not built.
[[nodiscard]] Status check_built(const std::string& directory);
/// From group.list, or from the tests themselves in a folder without one.
[[nodiscard]] Result<fstests::Suite> read_suite(const std::string& directory);

} // namespace slipway::ops
