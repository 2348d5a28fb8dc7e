// SPDX-License-Identifier: Apache-2.0
#include "boot/commands.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace slipway::boot {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

TEST(Commands, WordsAndOptions) {
    auto load =
        parse_command("  load 'http://a/b c' --insecure --sha256 abc --entry=native ").value();
    EXPECT_EQ(load.name, "load");
    EXPECT_THAT(load.arguments, ElementsAre("http://a/b c"));
    EXPECT_EQ(load.options.at("sha256"), "abc");
    EXPECT_EQ(load.options.at("entry"), "native");
    EXPECT_EQ(load.options.at("insecure"), "");
    EXPECT_EQ(parse_command(" \t").value().name, "");
    EXPECT_EQ(parse_command("verify").value().name, "verify");
    EXPECT_THAT(parse_command("verify abc").value().arguments, ElementsAre("abc"));
}

TEST(Commands, WrongInputExplainsItself) {
    auto why = [](std::string_view line) {
        auto command = parse_command(line);
        return command ? "it was taken" : render_text(command.error());
    };
    EXPECT_THAT(why("lod x"), HasSubstr("no command lod"));
    EXPECT_THAT(why("load"), HasSubstr("load lacks its URL\n  try: help load"));
    EXPECT_THAT(why("load a b"), HasSubstr("does not take 'b'"));
    EXPECT_THAT(why("return now"), HasSubstr("does not take 'now'"));
    EXPECT_THAT(why("load a --sha256"), HasSubstr("--sha256 lacks its DIGEST"));
    EXPECT_THAT(why("load a --insecure=1"), HasSubstr("takes no value"));
    EXPECT_THAT(why("load a --what"), HasSubstr("load has no option --what"));
    EXPECT_THAT(why("load 'a"), HasSubstr("not closed"));
}

TEST(Commands, Help) {
    EXPECT_THAT(help_text(), HasSubstr("load URL"));
    EXPECT_THAT(help_text("load"), HasSubstr("--persist LABEL"));
    EXPECT_THAT(help_text("nothing"), HasSubstr("poweroff"));
}

} // namespace
} // namespace slipway::boot
