// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "base/strings.hpp"

namespace slipway {
namespace {

TEST(ShellQuote, WordsThatNeedIt) {
    EXPECT_EQ(shell_quote("/home/me/root-1_a.b"), "/home/me/root-1_a.b");
    EXPECT_EQ(shell_quote("a b"), "'a b'");
    EXPECT_EQ(shell_quote("a';rm -rf /;'"), R"('a'\'';rm -rf /;'\''')");
    EXPECT_EQ(shell_quote("$(x)"), "'$(x)'");
    EXPECT_EQ(shell_quote("~"), "'~'");
    EXPECT_EQ(shell_quote(""), "''");
}

TEST(Printable, TextStaysAndWhatTerminalsObeyDoesNot) {
    EXPECT_EQ(printable("plain\ttext\nof \u00e9\u20ac\U0001f600"),
              "plain\ttext\nof \u00e9\u20ac\U0001f600");
    EXPECT_EQ(printable("\x1b[2J\x7f\r"), "?[2J??");
    EXPECT_EQ(printable("\xc2\x9b"
                        "2J"),
              "??2J")
        << "a control sequence in one character";
    EXPECT_EQ(printable("\xc2\xa0"), "\xc2\xa0");
    EXPECT_EQ(printable("caf\xe9!"), "caf?!") << "ISO 8859-1";
    EXPECT_EQ(printable("\xc0\xaf"), "??") << "too long";
    EXPECT_EQ(printable("\xe0\x9f\xbf"), "???") << "too long";
    EXPECT_EQ(printable("\xed\xa0\x80"), "???") << "half of a pair";
    EXPECT_EQ(printable("\xf4\x90\x80\x80"), "????") << "beyond Unicode";
    EXPECT_EQ(printable("cut \xe2\x82"), "cut ??");
    EXPECT_EQ(printable("\xe2"
                        "a"),
              "?a");
}

} // namespace
} // namespace slipway
