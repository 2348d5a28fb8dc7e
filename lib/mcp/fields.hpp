// SPDX-License-Identifier: Apache-2.0
// One description of a record's fields: from it come the record's JSON Schema, its reading from
// JSON with messages that a caller can act on, and its writing.
#pragma once

#include <algorithm>
#include <concepts>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/strings.hpp"
#include "mcp/values.hpp"

namespace slipway::mcp {

/// What a field's value must be, beside its type.
struct Rules {
    bool required =
        false; ///< when it is read; when it is written all but empty optionals are there
    std::optional<double> least{}; ///< of a number
    std::optional<double> most{};
    std::vector<std::string> choices{}; ///< of a text
    bool is_path = false;               ///< of this host: a text, or a list of them
};

template <class R> class Shape;
template <class R>
concept Shaped = requires {
    { R::shape() } -> std::same_as<Shape<R>>;
};

[[nodiscard]] Status check_rules(const std::string& place, const Json& value, const Rules& rules);
/// Paths with the user's home directory for a first "~", which no shell has replaced here.
[[nodiscard]] Json with_home(const Json& paths);
/// Adds minimum, maximum and enum.
void add_rules(Json& schema, const Rules& rules);
/// A record is an object.
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
    [[nodiscard]] std::vector<std::string> names() const {
        std::vector<std::string> names;
        for (const auto& field : fields_)
            names.push_back(field.name);
        return names;
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
            SLIPWAY_CHECK(
                field.read(record, field.rules.is_path ? with_home(*found) : *found, where));
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
        auto known = names();
        for (const auto& field : fields_) {
            if (field.rules.required && !json.contains(field.name))
                return fail(Code::InvalidArgument,
                            "'" + (place.empty() ? "" : place + ".") + field.name + "' is missing",
                            field.name + ": " + field.description);
        }
        for (const auto& [name, value] : json.items())
            if (std::find(known.begin(), known.end(), name) == known.end())
                return fail(Code::InvalidArgument,
                            "'" + (place.empty() ? "" : place + ".") + name + "' is not known",
                            known.empty() ? "it takes no arguments"
                                          : "it takes " + join(known, ", "));
        return {};
    }

    std::vector<Field> fields_;
};

} // namespace slipway::mcp
