// SPDX-License-Identifier: Apache-2.0
#include "boot/triggers.hpp"

#include <gtest/gtest.h>
#include <linux/input-event-codes.h>

namespace slipway::boot {
namespace {

TEST(Hotkey, FiresOnceWhileAllAreDown) {
    Hotkey keys;
    EXPECT_FALSE(keys.feed(1, EV_KEY, KEY_LEFTCTRL, 1));
    EXPECT_FALSE(keys.feed(1, EV_KEY, KEY_RIGHTALT, 1));
    EXPECT_FALSE(keys.feed(1, EV_SYN, 0, 0));
    EXPECT_TRUE(keys.feed(1, EV_KEY, KEY_F12, 1));
    EXPECT_FALSE(keys.feed(1, EV_KEY, KEY_F12, 2)) << "it repeats";
    EXPECT_FALSE(keys.feed(1, EV_KEY, KEY_F12, 0));
    EXPECT_TRUE(keys.feed(1, EV_KEY, KEY_F12, 1));
}

TEST(Hotkey, F12AloneDoesNothing) {
    Hotkey keys;
    EXPECT_FALSE(keys.feed(1, EV_KEY, KEY_F12, 1));
    EXPECT_FALSE(keys.feed(1, EV_KEY, KEY_F12, 0));
    EXPECT_FALSE(keys.feed(1, EV_KEY, KEY_LEFTCTRL, 1));
    EXPECT_FALSE(keys.feed(1, EV_KEY, KEY_F12, 1));
    EXPECT_FALSE(keys.feed(1, EV_REL, KEY_LEFTALT, 1)) << "no key";
}

TEST(Hotkey, HeldKeysAndKeyboardsThatGo) {
    Hotkey keys;
    EXPECT_FALSE(keys.feed(1, EV_KEY, KEY_LEFTCTRL, 2)) << "pressed before we listened";
    EXPECT_FALSE(keys.feed(2, EV_KEY, KEY_LEFTALT, 1)) << "another keyboard";
    keys.forget(1);
    EXPECT_FALSE(keys.feed(2, EV_KEY, KEY_F12, 1));
    EXPECT_TRUE(keys.feed(3, EV_KEY, KEY_RIGHTCTRL, 1));
}

TEST(WordMatcher, InWhateverPieces) {
    std::string word = "RETURN_TO_BOOTSTRAP";
    for (std::size_t cut = 0; cut <= word.size(); ++cut) {
        WordMatcher matcher;
        bool first = matcher.feed("ls\r" + word.substr(0, cut));
        EXPECT_EQ(first, cut == word.size());
        EXPECT_EQ(matcher.feed(word.substr(cut) + "\r"), !first) << cut;
        EXPECT_FALSE(matcher.feed(word.substr(1)));
    }
    WordMatcher bytes;
    bool found = false;
    for (char byte : "RETURETURN_TO_BOOTSTRAP")
        found = bytes.feed({&byte, 1}) || found;
    EXPECT_TRUE(found) << "a beginning that begins again";
    EXPECT_FALSE(WordMatcher().feed("RETURN_TO-BOOTSTRAP return_to_bootstrap"));
    EXPECT_TRUE(WordMatcher("aab").feed("aaab"));
}

} // namespace
} // namespace slipway::boot
