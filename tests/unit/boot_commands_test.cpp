// SPDX-License-Identifier: Apache-2.0
#include "boot/commands.hpp"
#include "boot/load_command.hpp"

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
    EXPECT_THAT(why("load"), HasSubstr("load lacks its IMAGE\n  try: help load"));
    EXPECT_THAT(why("load a b"), HasSubstr("does not take 'b'"));
    EXPECT_THAT(why("return now"), HasSubstr("does not take 'now'"));
    EXPECT_THAT(why("load a --sha256"), HasSubstr("--sha256 lacks its DIGEST"));
    EXPECT_THAT(why("load a --insecure=1"), HasSubstr("takes no value"));
    EXPECT_THAT(why("load a --what"), HasSubstr("load has no option --what"));
    EXPECT_THAT(why("load 'a"), HasSubstr("not closed"));
}

TEST(Commands, Help) {
    EXPECT_THAT(help_text(), HasSubstr("load IMAGE"));
    EXPECT_THAT(help_text("load"), HasSubstr("--persist LABEL"));
    EXPECT_THAT(help_text("nothing"), HasSubstr("poweroff"));
}

class LoadCommands : public testing::Test {
protected:
    Result<loading::LoadRequest> read(const std::string& line) {
        return read_load(parse_command(line).value(), options_);
    }
    static std::string urls(const loading::LoadRequest& request) {
        std::string text;
        for (const auto& url : request.urls)
            text += url.str() + " ";
        return text;
    }
    const std::string digest_ = std::string(64, 'a'), other_ = std::string(64, 'b');
    BootOptions options_{.image_url = "http://a/b",
                         .mirrors = {"http://m/b"},
                         .image_sha256 = digest_,
                         .return_after = std::chrono::seconds(60)};
};

TEST_F(LoadCommands, OfTheImageThatTheKernelsCommandLineNames) {
    auto request = read("load http://a/b").value();
    EXPECT_EQ(urls(request), "http://a/b http://m/b ");
    EXPECT_EQ(request.sha256, digest_);
    EXPECT_EQ(request.return_after, std::chrono::seconds(60));
    EXPECT_EQ(read("load http://a/b --sha256 " + other_).value().sha256, other_);
}

TEST_F(LoadCommands, OfAnother) {
    auto request = read("load http://a/c --mirror https://n/c --return-after 5 --insecure").value();
    EXPECT_EQ(urls(request), "http://a/c https://n/c ");
    EXPECT_EQ(request.sha256, "");
    EXPECT_EQ(request.return_after, std::chrono::seconds(5));
    EXPECT_TRUE(request.insecure);
    for (const auto* odd :
         {"load ftp://a/b", "load http://a/c --sha256 abc", "load http://a/c --return-after soon"})
        EXPECT_EQ(read(odd).error().code, Code::InvalidArgument) << odd;
    EXPECT_EQ(read("load http://a/c").value().entry, loading::Entry::Contained);
    EXPECT_EQ(read("load http://a/c --entry native").value().entry, loading::Entry::Native);
    EXPECT_EQ(read("load http://a/c --entry kexec")->entry, loading::Entry::Kexec);
    EXPECT_EQ(read("load http://a/c --entry sideways").error().code, Code::InvalidArgument);
    EXPECT_EQ(read("load http://a/c --persist X")->persist, "X");
    EXPECT_EQ(read("load http://a/c")->persist, "");
}

} // namespace
} // namespace slipway::boot
