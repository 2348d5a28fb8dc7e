// SPDX-License-Identifier: Apache-2.0
// How values of a type look in a JSON Schema, and how they are read and written.
#pragma once

#include <concepts>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "base/json.hpp"

namespace slipway::mcp {

/// InvalidArgument: "'deep' must be true or false, not \"yes\"".
[[nodiscard]] tl::unexpected<Error> wrong_value(const std::string& place, std::string_view wanted,
                                                const Json& got);
/// A whole number, also one that is written as 3.0.
[[nodiscard]] Result<std::int64_t> read_whole(const Json& json, const std::string& place);

/// How values of a type are read and written.
template <class T> struct Value;

template <> struct Value<bool> {
    static Json schema(bool) { return {{"type", "boolean"}}; }
    static Json write(bool value) { return value; }
    static Result<bool> read(const Json& json, const std::string& place) {
        if (!json.is_boolean())
            return wrong_value(place, "true or false", json);
        return json.get<bool>();
    }
};
template <class T>
requires std::integral<T> &&(!std::same_as<T, bool>)struct Value<T> {
    static Json schema(bool) {
        Json schema{{"type", "integer"}};
        if (std::is_unsigned_v<T>)
            schema["minimum"] = 0;
        return schema;
    }
    static Json write(T value) { return value; }
    static Result<T> read(const Json& json, const std::string& place) {
        SLIPWAY_TRY(auto whole, read_whole(json, place));
        if (!std::in_range<T>(whole))
            return wrong_value(place,
                               std::is_unsigned_v<T> ? "a whole number, not below 0"
                                                     : "a smaller whole number",
                               json);
        return static_cast<T>(whole);
    }
};
template <> struct Value<double> {
    static Json schema(bool) { return {{"type", "number"}}; }
    static Json write(double value);
    static Result<double> read(const Json& json, const std::string& place) {
        if (!json.is_number())
            return wrong_value(place, "a number", json);
        return json.get<double>();
    }
};
template <> struct Value<std::string> {
    static Json schema(bool) { return {{"type", "string"}}; }
    static Json write(const std::string& value) { return value; }
    static Result<std::string> read(const Json& json, const std::string& place) {
        if (!json.is_string())
            return wrong_value(place, "a text", json);
        auto text = json.get<std::string>();
        if (text.find('\0') != std::string::npos)
            return wrong_value(place, "a text without NUL bytes", json);
        return text;
    }
};
/// Any object.
template <> struct Value<Json> {
    static Json schema(bool) { return {{"type", "object"}}; }
    static Json write(const Json& value) { return value; }
    static Result<Json> read(const Json& json, const std::string& place) {
        if (!json.is_object())
            return wrong_value(place, "an object", json);
        return json;
    }
};
template <class T> struct Value<std::vector<T>> {
    static Json schema(bool written) {
        return {{"type", "array"}, {"items", Value<T>::schema(written)}};
    }
    static Json write(const std::vector<T>& list) {
        auto json = Json::array();
        for (const auto& each : list)
            json.push_back(Value<T>::write(each));
        return json;
    }
    static Result<std::vector<T>> read(const Json& json, const std::string& place) {
        if (!json.is_array())
            return wrong_value(place, "a list", json);
        std::vector<T> list;
        for (const auto& each : json) {
            SLIPWAY_TRY(auto value,
                        Value<T>::read(each, place + "[" + std::to_string(list.size()) + "]"));
            list.push_back(std::move(value));
        }
        return list;
    }
};
template <class T> struct Value<std::optional<T>> {
    static Json schema(bool written) { return Value<T>::schema(written); }
    static Json write(const std::optional<T>& value) {
        return value ? Value<T>::write(*value) : Json();
    }
    static Result<std::optional<T>> read(const Json& json, const std::string& place) {
        SLIPWAY_TRY(auto value, Value<T>::read(json, place));
        return std::optional<T>(std::move(value));
    }
};
template <class T> struct Value<std::map<std::string, T>> {
    static Json schema(bool written) {
        return {{"type", "object"}, {"additionalProperties", Value<T>::schema(written)}};
    }
    static Json write(const std::map<std::string, T>& map) {
        auto json = Json::object();
        for (const auto& [name, value] : map)
            json[name] = Value<T>::write(value);
        return json;
    }
    static Result<std::map<std::string, T>> read(const Json& json, const std::string& place) {
        if (!json.is_object())
            return wrong_value(place, "an object", json);
        std::map<std::string, T> map;
        for (const auto& [name, each] : json.items()) {
            SLIPWAY_TRY(auto value, Value<T>::read(each, place + "." + name));
            map.emplace(name, std::move(value));
        }
        return map;
    }
};
} // namespace slipway::mcp
