// SPDX-License-Identifier: Apache-2.0
#include "ops/passphrases.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace slipway::ops {
namespace {

Passphrases passphrases(const std::vector<std::string>& texts) {
    auto keys = std::make_shared<std::vector<storage::Key>>();
    for (const auto& text : texts)
        keys->push_back({"all", storage::Secret(text)});
    return Passphrases(keys);
}

TEST(Passphrases, EachVolumeIsTriedWithAllKeysThatCanBeTyped) {
    auto keys = passphrases({"first", std::string("\x01\xff\n", 3), "second"});
    for (const auto* volume : {"sda2_crypt", "sda3_crypt"}) {
        EXPECT_EQ(keys.next(volume)->expose(), "first");
        EXPECT_EQ(keys.next(volume)->expose(), "second");
        EXPECT_EQ(keys.next(volume), nullptr);
    }
}

TEST(Passphrases, SaysWhyTheGuestWaits) {
    EXPECT_THAT(Passphrases(nullptr).why_waiting("sda2_crypt"),
                testing::AllOf(testing::HasSubstr("sda2_crypt"), testing::HasSubstr("--key")));
    EXPECT_THAT(passphrases({"a\nb"}).why_waiting("x"), testing::HasSubstr("can be typed"));
    EXPECT_THAT(passphrases({"wrong"}).why_waiting("x"), testing::HasSubstr("opens it"));
    EXPECT_FALSE(Passphrases(nullptr).any());
    EXPECT_FALSE(passphrases({"a\nb", "", std::string(513, 'x')}).any());
}

TEST(Passphrases, NothingTypedIsShown) {
    auto keys = passphrases({"open sesame", "hush"});
    EXPECT_EQ(keys.redacted("a\nPlease unlock disk sda2_crypt: open ses\nopen sesame, hush!\n"),
              "a\nPlease unlock disk sda2_crypt:\n[key], [key]!\n");
    EXPECT_EQ(keys.redacted("no line feed"), "no line feed");
    EXPECT_EQ(keys.redacted(""), "");
}

} // namespace
} // namespace slipway::ops
