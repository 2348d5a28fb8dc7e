// SPDX-License-Identifier: Apache-2.0
#include "base/excerpt.hpp"

namespace slipway {

std::string excerpt(std::string_view text, std::size_t most) {
    if (text.size() <= most)
        return std::string(text);
    constexpr std::string_view gap = " […] ";
    auto half = most > gap.size() ? (most - gap.size()) / 2 : 0;
    return std::string(text.substr(0, half)) + std::string(gap) +
           std::string(text.substr(text.size() - half));
}

} // namespace slipway
