// SPDX-License-Identifier: Apache-2.0
// The JSON type of protocol, reports and configuration, and the helpers that read it without
// throwing.
#pragma once

#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

#include "base/error.hpp"

namespace slipway {

/// Keeps the order of insertion, so that a report reads as it was written.
using Json = nlohmann::ordered_json;

/// Parses UTF-8 JSON; a Corrupt error names `what` and the position.
[[nodiscard]] Result<Json> parse_json(std::string_view text, std::string_view what);
/// Renders on one line; bytes that are no UTF-8 become U+FFFD, so that it never throws.
[[nodiscard]] std::string render_json(const Json& value);
[[nodiscard]] std::string render_json_pretty(const Json& value);

/// Member of an object as T, or `fallback` where it is absent or of another type. Never throws.
template <class T>
[[nodiscard]] T json_get(const Json& object, std::string_view key, T fallback = {}) {
    if (!object.is_object())
        return fallback;
    auto found = object.find(std::string(key));
    if (found == object.end())
        return fallback;
    try {
        return found->get<T>();
    } catch (const nlohmann::json::exception&) {
        return fallback;
    }
}
/// Member of an object, or null.
[[nodiscard]] const Json& json_at(const Json& object, std::string_view key);

/// Errors travel over the session protocol and stand in reports in this form.
[[nodiscard]] Json error_to_json(const Error& error);
[[nodiscard]] Error error_from_json(const Json& json);

} // namespace slipway
