// SPDX-License-Identifier: Apache-2.0
// What an operator does to come back, found in what keyboards and lines send; pure.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>

namespace slipway::boot {

/// Ctrl+Alt+F12 on any keyboards together.
class Hotkey {
public:
    /// An event of a keyboard: type, code and value as in linux/input.h. True when the keys are
    /// down together, once until one of them is up again.
    [[nodiscard]] bool feed(int device, std::uint16_t type, std::uint16_t code, std::int32_t value);
    /// The keyboard is gone, and its keys are up.
    void forget(int device);

private:
    [[nodiscard]] bool is_down(std::uint16_t left, std::uint16_t right) const;
    std::map<int, std::set<std::uint16_t>> down_;
    bool fired_ = false;
};

/// A word in a stream of bytes, in whatever pieces they come.
class WordMatcher {
public:
    explicit WordMatcher(std::string_view word = "RETURN_TO_BOOTSTRAP") : word_(word) {}
    /// Whether the word ended in these bytes.
    [[nodiscard]] bool feed(std::string_view bytes);

private:
    std::string word_;
    std::size_t matched_ = 0;
};

} // namespace slipway::boot
