// SPDX-License-Identifier: Apache-2.0
#include "base/json.hpp"

#include <fmt/format.h>

namespace slipway {

Result<Json> parse_json(std::string_view text, std::string_view what) {
    try {
        return Json::parse(text);
    } catch (const nlohmann::json::exception& error) {
        return fail(Code::Corrupt, fmt::format("{} is not valid JSON: {}", what, error.what()));
    }
}

std::string render_json(const Json& value) {
    return value.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

std::string render_json_pretty(const Json& value) {
    return value.dump(2, ' ', false, nlohmann::json::error_handler_t::replace);
}

const Json& json_at(const Json& object, std::string_view key) {
    static const Json null;
    if (!object.is_object())
        return null;
    auto found = object.find(std::string(key));
    return found == object.end() ? null : *found;
}

Json error_to_json(const Error& error) {
    Json json{{"code", name_of(error.code)}, {"what", error.what}};
    if (error.errno_value != 0)
        json["errno"] = error.errno_value;
    if (error.tool)
        json["tool"] = {{"argv", error.tool->argv},
                        {"exit_status", error.tool->exit_status},
                        {"stderr_tail", error.tool->stderr_tail}};
    if (!error.context.empty())
        json["context"] = error.context;
    if (!error.hint.empty())
        json["hint"] = error.hint;
    return json;
}

Error error_from_json(const Json& json) {
    Error error;
    error.code = code_named(json_get<std::string>(json, "code")).value_or(Code::Internal);
    error.what = json_get<std::string>(json, "what");
    error.errno_value = json_get<int>(json, "errno");
    error.context = json_get<std::vector<std::string>>(json, "context");
    error.hint = json_get<std::string>(json, "hint");
    if (const auto& tool = json_at(json, "tool"); tool.is_object())
        error.tool = ToolFailure{json_get<std::vector<std::string>>(tool, "argv"),
                                 json_get<int>(tool, "exit_status"),
                                 json_get<std::string>(tool, "stderr_tail")};
    return error;
}

} // namespace slipway
