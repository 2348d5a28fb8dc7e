// SPDX-License-Identifier: Apache-2.0
#include "boot/triggers.hpp"

#include <algorithm>

#include <linux/input-event-codes.h>

namespace slipway::boot {

bool Hotkey::is_down(std::uint16_t left, std::uint16_t right) const {
    return std::any_of(down_.begin(), down_.end(), [&](const auto& device) {
        return device.second.contains(left) || device.second.contains(right);
    });
}

bool Hotkey::feed(int device, std::uint16_t type, std::uint16_t code, std::int32_t value) {
    if (type != EV_KEY)
        return false;
    if (value == 0)
        down_[device].erase(code);
    else // 2: it is held, which is all that is seen of a key that was pressed before we listened
        down_[device].insert(code);
    bool all = is_down(KEY_LEFTCTRL, KEY_RIGHTCTRL) && is_down(KEY_LEFTALT, KEY_RIGHTALT) &&
               is_down(KEY_F12, KEY_F12);
    bool fires = all && !fired_;
    fired_ = all;
    return fires;
}

void Hotkey::forget(int device) {
    down_.erase(device);
}

bool WordMatcher::feed(std::string_view bytes) {
    bool found = false;
    for (char byte : bytes) {
        // The longest beginning of the word that the bytes so far end in.
        while (matched_ > 0 && byte != word_[matched_]) {
            auto shorter = matched_ - 1;
            auto seen = word_.substr(0, matched_);
            while (shorter > 0 && !seen.ends_with(word_.substr(0, shorter)))
                --shorter;
            matched_ = shorter;
        }
        if (byte == word_[matched_])
            ++matched_;
        if (matched_ == word_.size()) {
            found = true;
            matched_ = 0;
        }
    }
    return found;
}

} // namespace slipway::boot
