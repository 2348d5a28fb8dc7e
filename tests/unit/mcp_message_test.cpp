// SPDX-License-Identifier: Apache-2.0
#include "mcp/message.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

using namespace slipway;
using namespace slipway::mcp;
using testing::ElementsAre;
using testing::HasSubstr;

namespace {

template <class T> T read(const char* text) {
    return std::get<T>(read_message(*parse_line(text)));
}

int refused(std::string_view line) {
    auto json = parse_line(line);
    return json ? 0 : json.error().code;
}

TEST(McpMessage, ARequestKeepsItsId) {
    EXPECT_EQ(read<Request>(R"({"jsonrpc":"2.0","id":"a","method":"ping"})").id, "a");
    EXPECT_EQ(read<Request>(R"({"jsonrpc":"2.0","id":7,"method":"ping"})").id, 7);
    EXPECT_EQ(
        read<Request>(R"({"jsonrpc":"2.0","id":0,"method":"m","params":{"a":1}})").params["a"], 1);
}

TEST(McpMessage, WithoutAnIdItIsANotification) {
    EXPECT_EQ(read<Notification>(R"({"jsonrpc":"2.0","method":"x"})").method, "x");
    EXPECT_EQ(read<Notification>(R"({"jsonrpc":"2.0","method":"x","params":3})").params,
              Json::object());
}

TEST(McpMessage, AnswersOfThePeerAreTold) {
    read<PeerAnswer>(R"({"jsonrpc":"2.0","id":1,"result":{}})");
    read<PeerAnswer>(R"({"jsonrpc":"2.0","id":null,"error":{"code":1,"message":""}})");
}

TEST(McpMessage, InvalidRequestsHaveTheirIdWhereItCanBeRead) {
    auto no_method = read<Malformed>(R"({"jsonrpc":"2.0","id":3})");
    EXPECT_EQ(no_method.id, 3);
    EXPECT_EQ(no_method.refusal.code, json_rpc::invalid_request);
    EXPECT_EQ(read<Malformed>(R"({"id":3,"method":"ping"})").id, 3);
    EXPECT_EQ(read<Malformed>(R"({"jsonrpc":"2.0","id":3,"method":1})").id, 3);
    EXPECT_EQ(read<Malformed>(R"({"jsonrpc":"2.0","id":3,"method":"m","params":"x"})").refusal.code,
              json_rpc::invalid_request);
    EXPECT_EQ(read<Malformed>(R"({"jsonrpc":"2.0","id":3,"method":"m","params":[1]})").refusal.code,
              json_rpc::invalid_params);
    for (const char* id : {"null", "true", "[1]", "{}"})
        EXPECT_TRUE(read<Malformed>(
                        (R"({"jsonrpc":"2.0","method":"m","id":)" + std::string(id) + "}").c_str())
                        .id.is_null());
    for (const char* text : {"1", "\"a\"", "null", "true"})
        EXPECT_TRUE(read<Malformed>(text).id.is_null());
}

TEST(McpMessage, WhatIsNoJsonIsAParseError) {
    for (std::string_view line : {"", "{", "{]", "nothing", "{\"a\":1} x", "\"\\ud800\"", "1e999"})
        EXPECT_EQ(refused(line), json_rpc::parse_error) << line;
    EXPECT_EQ(refused("{\"a\":\"\xff\xfe\"}"), json_rpc::parse_error);
    EXPECT_EQ(refused(std::string_view("{\"a\":\0}", 7)), json_rpc::parse_error);
}

TEST(McpMessage, DeepNestingIsRefusedWithoutAWalk) {
    auto nested = [](std::size_t depth) {
        return std::string(depth, '[') + std::string(depth, ']');
    };
    EXPECT_EQ(refused(nested(deepest_nesting)), 0);
    EXPECT_EQ(refused(nested(deepest_nesting + 1)), json_rpc::parse_error);
    EXPECT_EQ(refused(std::string(3 << 20, '[')), json_rpc::parse_error);
    // Not in texts.
    EXPECT_EQ(refused("\"" + std::string(1000, '[') + R"(\")" + std::string(1000, '{') + "\""), 0);
}

TEST(McpMessage, LinesComeWholeHoweverTheBytesCome) {
    std::vector<std::string> lines;
    auto sink = [&](std::optional<std::string_view> line) {
        lines.emplace_back(line ? std::string(*line) : "too long");
    };
    LineReader reader;
    for (char byte : std::string("ab\n\ncd\r\ne"))
        reader.add({&byte, 1}, sink);
    EXPECT_THAT(lines, ElementsAre("ab", "", "cd\r"));
    reader.add("f\ngh\ni", sink);
    EXPECT_THAT(lines, ElementsAre("ab", "", "cd\r", "ef", "gh"));
}

TEST(McpMessage, OfALineThatIsTooLongOnlyThatIsTold) {
    std::vector<std::string> lines;
    auto sink = [&](std::optional<std::string_view> line) {
        lines.emplace_back(line ? std::string(*line) : "too long");
    };
    LineReader reader;
    std::string piece(1 << 20, 'x');
    for (int i = 0; i < 9; ++i)
        reader.add(piece, sink);
    reader.add("\nnext\n", sink);
    EXPECT_THAT(lines, ElementsAre("too long", "next"));
}

TEST(McpMessage, AnErrorHasCodeMessageAndData) {
    auto json = error_message(nullptr, {json_rpc::invalid_params, "why", {{"uri", "x"}}});
    EXPECT_EQ(
        render_json(json),
        R"({"jsonrpc":"2.0","id":null,"error":{"code":-32602,"message":"why","data":{"uri":"x"}}})");
}

TEST(McpMessage, EveryKindOfErrorHasACode) {
    EXPECT_EQ(json_rpc::code_of(Code::InvalidArgument), -32602);
    EXPECT_EQ(json_rpc::code_of(Code::NotFound), -32002);
    EXPECT_EQ(json_rpc::code_of(Code::Internal), -32603);
    EXPECT_EQ(json_rpc::code_of(Code::Busy), -32000);
}

} // namespace
