// SPDX-License-Identifier: Apache-2.0
// The keys of encrypted volumes, as --key names them.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "storage/stack.hpp"

namespace slipway::app {

/// Reads the files and descriptors, and asks at the terminal, without echo, where that is wanted.
/// InvalidArgument for a text that is no key option, and a descriptor that was not handed on;
/// Unsupported where there is no terminal to ask at.
[[nodiscard]] Result<std::shared_ptr<const std::vector<storage::Key>>>
read_keys(const std::vector<std::string>& options, const Cancel& cancel);

} // namespace slipway::app
