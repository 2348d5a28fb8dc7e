// SPDX-License-Identifier: Apache-2.0
#include "mcp/fields.hpp"

#include <cstdlib>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "mcp/kept_text.hpp"
#include "mcp/tool.hpp"

using namespace slipway;
using namespace slipway::mcp;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

namespace {

struct Part {
    std::string name;
    int number = 0;
    static Shape<Part> shape() {
        return Shape<Part>()
            .add("name", &Part::name, "Its name", {.required = true})
            .add("number", &Part::number, "Its number");
    }
};
struct Base {
    double wait = 1.5;
    static Shape<Base> shape() {
        return Shape<Base>().add("wait", &Base::wait, "Seconds", {.least = 0, .most = 10});
    }
};
struct Whole : Base {
    std::string path;
    std::string kind = "a";
    bool flag = true;
    unsigned count = 3;
    std::vector<std::string> words{"x"};
    std::optional<double> size{};
    std::vector<Part> parts{};
    std::vector<std::string> files{};
    static Shape<Whole> shape() {
        return Shape<Whole>()
            .add("path", &Whole::path, "A path", {.required = true, .is_path = true})
            .add("kind", &Whole::kind, "A kind", {.choices = {"a", "b"}})
            .add("flag", &Whole::flag, "A flag")
            .add("count", &Whole::count, "A count")
            .add("words", &Whole::words, "Words")
            .add("size", &Whole::size, "A size")
            .add("parts", &Whole::parts, "Parts")
            .add("files", &Whole::files, "Files", {.is_path = true})
            .with(Base::shape());
    }
};

Result<Whole> read(const char* text) {
    return Whole::shape().read(*parse_json(text, "test"), "");
}
std::string wrong(const char* text) {
    auto result = read(text);
    return result ? "" : render_text(result.error());
}

TEST(McpFields, WhatIsLeftOutHasItsDefault) {
    auto whole = read(R"({"path":"/p"})");
    ASSERT_TRUE(whole);
    EXPECT_EQ(whole->path, "/p");
    EXPECT_EQ(whole->count, 3U);
    EXPECT_EQ(whole->wait, 1.5);
    EXPECT_FALSE(whole->size);
}

TEST(McpFields, EveryTypeIsRead) {
    auto whole =
        read(R"({"path":"/p","kind":"b","flag":false,"count":4.0,"words":["y","z"],"size":2,
                          "parts":[{"name":"n","number":-1}],"wait":10})");
    ASSERT_TRUE(whole) << render_text(whole.error());
    EXPECT_EQ(whole->kind, "b");
    EXPECT_FALSE(whole->flag);
    EXPECT_EQ(whole->count, 4U);
    EXPECT_THAT(whole->words, ElementsAre("y", "z"));
    EXPECT_EQ(whole->size, 2);
    EXPECT_EQ(whole->parts.at(0).number, -1);
}

TEST(McpFields, PathsBeginAtHome) {
    ::setenv("HOME", "/home/of-the-test", 1);
    auto whole =
        read(R"({"path":"~/a~","kind":"b","words":["~/x"],"files":["~","~other/x","/~/"]})");
    ASSERT_TRUE(whole) << render_text(whole.error());
    EXPECT_EQ(whole->path, "/home/of-the-test/a~");
    EXPECT_THAT(whole->words, ElementsAre("~/x"));
    EXPECT_THAT(whole->files, ElementsAre("/home/of-the-test", "~other/x", "/~/"));
}

TEST(McpFields, WhatIsWrongIsNamed) {
    EXPECT_THAT(wrong("{}"), AllOf(HasSubstr("'path' is missing"), HasSubstr("A path")));
    EXPECT_THAT(wrong(R"({"path":"p","pat":1})"),
                AllOf(HasSubstr("'pat' is not known"), HasSubstr("path, kind, flag")));
    EXPECT_THAT(wrong(R"({"path":"p","path, kind":1})"), HasSubstr("'path, kind' is not known"));
    EXPECT_THAT(wrong(R"({"path":7})"), HasSubstr("'path' must be a text, not 7"));
    EXPECT_THAT(wrong(R"({"path":null})"), HasSubstr("'path' must be a text, not null"));
    EXPECT_THAT(wrong(R"({"path":"a\u0000b"})"), HasSubstr("NUL"));
    EXPECT_THAT(wrong(R"({"path":"p","flag":"true"})"),
                HasSubstr("'flag' must be true or false, not \"true\""));
    EXPECT_THAT(wrong(R"({"path":"p","count":-1})"),
                HasSubstr("'count' must be a whole number, not below 0"));
    EXPECT_THAT(wrong(R"({"path":"p","count":1.5})"), HasSubstr("'count' must be a whole number"));
    EXPECT_THAT(wrong(R"({"path":"p","count":4294967296})"), HasSubstr("'count' must be"));
    EXPECT_THAT(wrong(R"({"path":"p","count":18446744073709551615})"),
                HasSubstr("'count' must be"));
    EXPECT_THAT(wrong(R"({"path":"p","kind":"c"})"),
                HasSubstr("'kind' must be one of a, b, not \"c\""));
    EXPECT_THAT(wrong(R"({"path":"p","wait":11})"), HasSubstr("'wait' must be at most 10, not 11"));
    EXPECT_THAT(wrong(R"({"path":"p","wait":-1})"), HasSubstr("'wait' must be at least 0"));
    EXPECT_THAT(wrong(R"({"path":"p","words":"x"})"), HasSubstr("'words' must be a list"));
    EXPECT_THAT(wrong(R"({"path":"p","words":["a",1]})"), HasSubstr("'words[1]' must be a text"));
    EXPECT_THAT(wrong(R"({"path":"p","parts":[{}]})"), HasSubstr("'parts[0].name' is missing"));
    EXPECT_THAT(wrong("[]"), HasSubstr("the arguments must be an object"));
    EXPECT_EQ(read("[]").error().code, Code::InvalidArgument);
}

TEST(McpFields, TheSchemaOfWhatIsReadHasDefaults) {
    auto schema = Whole::shape().schema(false);
    EXPECT_EQ(render_json(schema["required"]), R"(["path"])");
    EXPECT_EQ(schema["additionalProperties"], false);
    EXPECT_EQ(render_json(schema["properties"]["kind"]),
              R"({"type":"string","description":"A kind","enum":["a","b"],"default":"a"})");
    EXPECT_EQ(render_json(schema["properties"]["count"]),
              R"({"type":"integer","minimum":0,"description":"A count","default":3})");
    EXPECT_EQ(render_json(schema["properties"]["size"]),
              R"({"type":"number","description":"A size"})");
    EXPECT_EQ(schema["properties"]["wait"]["maximum"], 10.0);
}

TEST(McpFields, TheSchemaOfWhatIsWrittenRequiresAllButOptionals) {
    auto schema = Whole::shape().schema(true);
    EXPECT_EQ(render_json(schema["required"]),
              R"(["path","kind","flag","count","words","parts","files","wait"])");
    EXPECT_EQ(render_json(schema["properties"]["parts"]["items"]["required"]),
              R"(["name","number"])");
    EXPECT_FALSE(schema["properties"]["kind"].contains("default"));
}

TEST(McpFields, AnEmptyOptionalIsNotWritten) {
    Whole whole;
    whole.path = "p";
    whole.parts = {{"n", 2}};
    EXPECT_EQ(
        render_json(Whole::shape().write(whole)),
        R"({"path":"p","kind":"a","flag":true,"count":3,"words":["x"],"parts":[{"name":"n","number":2}],"files":[],"wait":1.5})");
    whole.size = 0.123456;
    EXPECT_EQ(Whole::shape().write(whole)["size"], 0.123);
}

TEST(McpShorten, ListsAndTextsAreCutUntilItFits) {
    Json value{{"id", "stays"}, {"list", Json::array()}, {"text", std::string(5000, 'a')}};
    for (int i = 0; i < 100; ++i)
        value["list"].push_back({{"name", "each"}, {"number", i}});
    EXPECT_TRUE(shorten(value, 1500));
    EXPECT_LE(render_json(value).size(), 1500U);
    EXPECT_EQ(value["id"], "stays");
    EXPECT_EQ(value["list"][0]["number"], 0);
    EXPECT_FALSE(shorten(value, 1500));
}

TEST(McpShorten, WhatIsShortStaysAndEndsTheAttempt) {
    Json value = Json::object();
    for (int i = 0; i < 50; ++i)
        value["name" + std::to_string(i)] = std::string(90, 'x');
    auto before = value;
    EXPECT_FALSE(shorten(value, 100));
    EXPECT_EQ(value, before);
    Json one{{"list", {std::string(10'000, 'x')}}};
    EXPECT_TRUE(shorten(one, 500));
    EXPECT_EQ(one["list"].size(), 1U);
}

struct Counts {
    std::size_t all = 0;
    std::map<std::string, std::size_t> each{};
    static Shape<Counts> shape() {
        return Shape<Counts>()
            .add("all", &Counts::all, "All")
            .add("each", &Counts::each, "Of each");
    }
};

TEST(McpShorten, MapsAreCutAndRecordsAreNot) {
    Counts counts{.all = 500};
    for (std::size_t i = 0; i < 500; ++i)
        counts.each["group" + std::to_string(i)] = i;
    auto value = Counts::shape().write(counts);
    EXPECT_TRUE(shorten(value, 1000, Counts::shape().schema(true)));
    EXPECT_LE(render_json(value).size(), 1000U);
    EXPECT_EQ(value["all"], 500);
    EXPECT_GT(value["each"].size(), 20U);
}

TEST(McpShorten, HintsNameParameters) {
    Error error{.hint = "give it with --memory or --accel, see `slipway boot --help` (--force)"};
    EXPECT_EQ(for_client(error, {"memory_mib", "accelerator"}).hint,
              "give it with 'memory_mib' or 'accelerator', see `slipway boot --help` ('force')");
    error.hint = "name it with --path";
    EXPECT_EQ(for_client(error, {"rootfs_path"}).hint, "name it with 'rootfs_path'");
}

TEST(McpShorten, NoPartsOfCharacters) {
    EXPECT_EQ(whole_characters("aä", 2), "a");
    EXPECT_EQ(whole_characters("aä", 3), "aä");
    EXPECT_EQ(whole_characters("€€", 5), "€");
    EXPECT_EQ(whole_characters("\x80\x80\x80\x80\x80\x80", 5).size(), 5U); // no text at all
    EXPECT_EQ(shortened("short", 10), "short");
    EXPECT_THAT(shortened(std::string(50, 'x') + "\n" + std::string(50, 'y'), 80),
                AllOf(HasSubstr("xx\n[… 51 more characters]")));
}

TEST(McpKeptText, IsReadInPages) {
    KeptText text;
    EXPECT_EQ(text.page(0, 10)->text, "");
    text.add("one\ntwo\n");
    text.add("drei€\n");
    EXPECT_EQ(text.size(), 16U);
    EXPECT_EQ(text.page(0, 100)->text, "one\ntwo\ndrei€\n");
    auto page = text.page(4, 10);
    EXPECT_EQ(page->text, "two\ndrei"); // the next character has three bytes
    EXPECT_EQ(page->end(), 12U);
    EXPECT_EQ(text.page(page->end(), 10)->text, "€\n");
    EXPECT_EQ(text.page(16, 10)->text, "");
    EXPECT_EQ(text.page(17, 10).error().code, Code::InvalidArgument);
    EXPECT_EQ(text.last_page(12)->text, "drei€\n");
    EXPECT_EQ(text.last_page(100)->offset, 0U);
}

} // namespace
