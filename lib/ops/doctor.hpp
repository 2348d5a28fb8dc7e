// SPDX-License-Identifier: Apache-2.0
// doctor: what this machine can do. Everything is tried, nothing assumed.
#pragma once

#include <string>
#include <vector>

#include "ops/open_image.hpp"

namespace slipway::ops {

struct Check {
    std::string name;
    bool good = false;
    bool needed = false;  ///< without it the main job does not work
    std::string found{};  ///< what was seen
    std::string remedy{}; ///< how to get it, where it is missing
};

[[nodiscard]] std::vector<Check> doctor(const Context& context);
[[nodiscard]] Json to_json(const std::vector<Check>& checks);

} // namespace slipway::ops
