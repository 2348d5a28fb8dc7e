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

} // namespace
} // namespace slipway
