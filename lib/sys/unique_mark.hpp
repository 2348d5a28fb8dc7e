// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

namespace slipway::sys {

/// "4711-3", for names of passing files: our process id, and a number that no other thread of this
/// process gets.
[[nodiscard]] std::string unique_mark();

} // namespace slipway::sys
