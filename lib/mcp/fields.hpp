// SPDX-License-Identifier: Apache-2.0
// One description of a record's fields: from it come the record's JSON Schema, its reading from
// JSON with messages that a caller can act on, and its writing.
#pragma once

#include <concepts>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "base/json.hpp"

namespace slipway::mcp {

/// What a field's value must be, beside its type.
struct Rules {
    bool required =
        false; ///< when it is read; when it is written all but empty optionals are there
    std::optional<double> least{}; ///< of a number
    std::optional<double> most{};
    std::vector<std::string> choices{}; ///< of a text
};

template <class R> class Shape;
template <class R>
concept Shaped = requires {
    { R::shape() } -> std::same_as<Shape<R>>;
};

/// InvalidArgument: "'deep' must be true or false, not \"yes\"".
[[nodiscard]] tl::unexpected<Error> wrong_value(const std::string& place, std::string_view wanted,
                                                const Json& got);
[[nodiscard]] Status check_rules(const std::string& place, const Json& value, const Rules& rules);
/// Adds minimum, maximum and enum.
void add_rules(Json& schema, const Rules& rules);
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
template <Shaped R> struct Value<R> {
    static Json schema(bool written) { return R::shape().schema(written); }
    static Json write(const R& record) { return R::shape().write(record); }
    static Result<R> read(const Json& json, const std::string& place) {
        return R::shape().read(json, place);
    }
};

template <class T> inline constexpr bool is_optional = false;
template <class T> inline constexpr bool is_optional<std::optional<T>> = true;

/// The fields of a record R, which has `static Shape<R> shape()`. Fields of a base come by `with`.
template <class R> class Shape {
public:
    template <class T, class B>
    requires std::derived_from<R, B> Shape &&
        add(std::string name, T B::*member, std::string description, Rules rules = {}) && {
        fields_.push_back({
            .name = std::move(name),
            .description = std::move(description),
            .rules = std::move(rules),
            .may_lack = is_optional<T>,
            .schema = [](bool written) { return Value<T>::schema(written); },
            .write = [member](const R& record) { return Value<T>::write(record.*member); },
            .read = [member](R& record, const Json& json, const std::string& place) -> Status {
                SLIPWAY_TRY(record.*member, Value<T>::read(json, place));
                return {};
            },
        });
        return std::move(*this);
    }
    template <class B>
    requires std::derived_from<R, B> Shape && with(const Shape<B>& base) && {
        for (const auto& field : base.fields_)
            fields_.push_back({field.name, field.description, field.rules, field.may_lack,
                               field.schema, field.write, field.read});
        return std::move(*this);
    }

    /// Of what is written, or else of what is read: that may lack fields, which have defaults.
    [[nodiscard]] Json schema(bool written) const {
        auto properties = Json::object();
        auto required = Json::array();
        const R defaults{};
        for (const auto& field : fields_) {
            auto schema = field.schema(written);
            schema["description"] = field.description;
            add_rules(schema, field.rules);
            if (written ? !field.may_lack : field.rules.required)
                required.push_back(field.name);
            else if (auto value = field.write(defaults); !written && !value.is_null())
                schema["default"] = std::move(value);
            properties[field.name] = std::move(schema);
        }
        Json schema{{"type", "object"}, {"properties", std::move(properties)}};
        if (!required.empty())
            schema["required"] = std::move(required);
        if (!written)
            schema["additionalProperties"] = false;
        return schema;
    }
    [[nodiscard]] Json write(const R& record) const {
        auto json = Json::object();
        for (const auto& field : fields_)
            if (auto value = field.write(record); !value.is_null())
                json[field.name] = std::move(value);
        return json;
    }
    /// InvalidArgument: what is missing, unknown or of another type. `place`: of the record, "" for
    /// the arguments of a tool.
    [[nodiscard]] Result<R> read(const Json& json, const std::string& place) const {
        if (!json.is_object())
            return wrong_value(place, "an object", json);
        SLIPWAY_CHECK(check_names(json, place));
        R record{};
        for (const auto& field : fields_) {
            auto found = json.find(field.name);
            if (found == json.end())
                continue;
            auto where = place.empty() ? field.name : place + "." + field.name;
            SLIPWAY_CHECK(field.read(record, *found, where));
            SLIPWAY_CHECK(check_rules(where, *found, field.rules));
        }
        return record;
    }

private:
    template <class Other> friend class Shape;
    struct Field {
        std::string name;
        std::string description;
        Rules rules;
        bool may_lack; ///< when it is written
        std::function<Json(bool)> schema;
        std::function<Json(const R&)> write;
        std::function<Status(R&, const Json&, const std::string&)> read;
    };

    [[nodiscard]] Status check_names(const Json& json, const std::string& place) const {
        std::string known;
        for (const auto& field : fields_) {
            known += (known.empty() ? "" : ", ") + field.name;
            if (field.rules.required && !json.contains(field.name))
                return fail(Code::InvalidArgument,
                            "'" + (place.empty() ? "" : place + ".") + field.name + "' is missing",
                            field.name + ": " + field.description);
        }
        for (const auto& [name, value] : json.items())
            if (known.empty() || (", " + known + ",").find(", " + name + ",") == std::string::npos)
                return fail(Code::InvalidArgument,
                            "'" + (place.empty() ? "" : place + ".") + name + "' is not known",
                            known.empty() ? "it takes no arguments" : "it takes " + known);
        return {};
    }

    std::vector<Field> fields_;
};

} // namespace slipway::mcp
