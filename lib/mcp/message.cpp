// SPDX-License-Identifier: Apache-2.0
#include "mcp/message.hpp"

#include <fmt/format.h>

namespace slipway::mcp {
namespace {

// What is nested deeper is not parsed at all: walking it would take our stack.
bool is_too_deep(std::string_view text) {
    std::size_t depth = 0;
    bool in_string = false;
    for (std::size_t i = 0; i < text.size(); ++i) {
        auto byte = text[i];
        if (in_string) {
            if (byte == '\\')
                ++i;
            else if (byte == '"')
                in_string = false;
        } else if (byte == '"')
            in_string = true;
        else if (byte == '[' || byte == '{') {
            if (++depth > deepest_nesting)
                return true;
        } else if ((byte == ']' || byte == '}') && depth > 0)
            --depth;
    }
    return false;
}

Malformed invalid(Json id, std::string why) {
    return {std::move(id), {json_rpc::invalid_request, "invalid request: " + std::move(why)}};
}

bool is_id(const Json& id) {
    return id.is_string() || id.is_number_integer(); // beyond 64 bits it would come back changed
}

} // namespace

tl::expected<Json, Refusal> parse_line(std::string_view line) {
    if (is_too_deep(line))
        return tl::unexpected(
            Refusal{json_rpc::parse_error,
                    fmt::format("parse error: more than {} levels of nesting", deepest_nesting)});
    try {
        return Json::parse(line);
    } catch (const nlohmann::json::parse_error& error) {
        return tl::unexpected(
            Refusal{json_rpc::parse_error,
                    fmt::format("parse error: not valid JSON in UTF-8, at byte {}", error.byte)});
    } catch (const nlohmann::json::exception&) { // a number beyond all measure
        return tl::unexpected(Refusal{json_rpc::parse_error, "parse error: not valid JSON"});
    }
}

Message read_message(Json json) {
    if (!json.is_object())
        return invalid(nullptr, "a message is an object");
    auto id = json_at(json, "id");
    bool has_id = json.contains("id");
    if (!json.contains("method") && (json.contains("result") || json.contains("error")))
        return PeerAnswer{};
    if (has_id && !is_id(id))
        return invalid(nullptr, "'id' is a text or a number");
    if (json_get<std::string>(json, "jsonrpc") != "2.0")
        return invalid(id, "'jsonrpc' is not \"2.0\"");
    if (!json_at(json, "method").is_string())
        return invalid(id, "'method' is not a text");
    auto params = json.contains("params") ? std::move(json["params"]) : Json::object();
    auto method = json_get<std::string>(json, "method");
    if (!has_id)
        return Notification{std::move(method),
                            params.is_object() ? std::move(params) : Json::object()};
    if (params.is_array())
        return Malformed{std::move(id),
                         {json_rpc::invalid_params, "'params' are given by name here"}};
    if (!params.is_object())
        return invalid(std::move(id), "'params' is no object");
    return Request{std::move(id), std::move(method), std::move(params)};
}

Json result_message(const Json& id, Json result) {
    return {{"jsonrpc", "2.0"}, {"id", id}, {"result", std::move(result)}};
}

Json error_message(const Json& id, const Refusal& refusal) {
    Json error{{"code", refusal.code}, {"message", refusal.message}};
    if (!refusal.data.is_null())
        error["data"] = refusal.data;
    return {{"jsonrpc", "2.0"}, {"id", id}, {"error", std::move(error)}};
}

Json notification_message(std::string_view method, Json params) {
    return {{"jsonrpc", "2.0"}, {"method", method}, {"params", std::move(params)}};
}

void LineReader::add(std::string_view bytes, const Sink& sink) {
    while (!bytes.empty()) {
        auto end = bytes.find('\n');
        auto piece = bytes.substr(0, end);
        if (!skipping_ && line_.size() + piece.size() > longest_line) {
            skipping_ = true;
            line_ = {};
            sink(std::nullopt);
        }
        if (!skipping_)
            line_ += piece;
        if (end == std::string_view::npos)
            return;
        bytes.remove_prefix(end + 1);
        if (!std::exchange(skipping_, false))
            sink(line_);
        line_.clear();
    }
}

} // namespace slipway::mcp
