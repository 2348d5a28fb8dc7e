// SPDX-License-Identifier: Apache-2.0
#include "mcp/fields.hpp"

#include <algorithm>
#include <cmath>
#include <cstdlib>

#include <fmt/format.h>

#include "base/excerpt.hpp"
#include "base/strings.hpp"

namespace slipway::mcp {

tl::unexpected<Error> wrong_value(const std::string& place, std::string_view wanted,
                                  const Json& got) {
    constexpr std::size_t shown = 60;
    return fail(Code::InvalidArgument,
                fmt::format("{} must be {}, not {}",
                            place.empty() ? "the arguments" : fmt::format("'{}'", place), wanted,
                            printable(excerpt(render_json(got), shown))));
}

Status check_rules(const std::string& place, const Json& value, const Rules& rules) {
    if (value.is_number()) {
        auto number = value.get<double>();
        if (rules.least && number < *rules.least)
            return wrong_value(place, fmt::format("at least {}", *rules.least), value);
        if (rules.most && number > *rules.most)
            return wrong_value(place, fmt::format("at most {}", *rules.most), value);
    }
    if (!rules.choices.empty() && value.is_string() &&
        std::find(rules.choices.begin(), rules.choices.end(), value.get<std::string>()) ==
            rules.choices.end())
        return wrong_value(place, fmt::format("one of {}", join(rules.choices, ", ")), value);
    return {};
}

Json with_home(const Json& paths) {
    const char* home = std::getenv("HOME");
    if (home == nullptr)
        return paths;
    auto replaced = paths;
    if (replaced.is_array())
        for (auto& each : replaced)
            each = with_home(each);
    if (replaced.is_string())
        if (auto path = replaced.get<std::string>(); path == "~" || path.starts_with("~/"))
            replaced = home + path.substr(1);
    return replaced;
}

void add_rules(Json& schema, const Rules& rules) {
    if (rules.least)
        schema["minimum"] = *rules.least;
    if (rules.most)
        schema["maximum"] = *rules.most;
    if (!rules.choices.empty())
        schema["enum"] = rules.choices;
}

Result<std::int64_t> read_whole(const Json& json, const std::string& place) {
    constexpr double exact = 9007199254740992.0; // 2^53: a double knows every whole number up to it
    if (json.is_number_unsigned() && json.get<std::uint64_t>() > INT64_MAX)
        return wrong_value(place, "a smaller whole number", json);
    if (json.is_number_integer())
        return json.get<std::int64_t>();
    if (json.is_number_float())
        if (auto number = json.get<double>();
            std::abs(number) <= exact && std::trunc(number) == number)
            return static_cast<std::int64_t>(number);
    return wrong_value(place, "a whole number", json);
}

Json Value<double>::write(double value) {
    // Times and the like: more digits than these were never measured.
    constexpr double parts = 1000;
    return std::isfinite(value) ? std::round(value * parts) / parts : 0.0;
}

} // namespace slipway::mcp
