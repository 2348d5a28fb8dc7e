// SPDX-License-Identifier: Apache-2.0
// What is on the machine's screen just now.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/error.hpp"

namespace slipway::boot {

/// Text where the screen shows text, which is small and can be copied, otherwise its pixels.
struct ScreenView {
    std::string type; ///< "text/plain; charset=utf-8", "image/png"
    std::string body;
};
/// Of the terminal that is in front. Unsupported: the machine has no screen. Root.
[[nodiscard]] Result<ScreenView> view_screen();

struct Pixels {
    unsigned width = 0, height = 0;
    std::string rgb{}; ///< three bytes each, rows from the top
};
/// PNG, not compressed: what comes after it does that, or it stays in one room; pure.
[[nodiscard]] std::string render_png(const Pixels& pixels);

/// Lines of what /dev/vcsu holds: a number of four bytes for each character, row by row. Pure.
[[nodiscard]] std::string render_screen_text(std::string_view cells, unsigned columns);

} // namespace slipway::boot
