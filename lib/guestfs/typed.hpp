// SPDX-License-Identifier: Apache-2.0
// Between the types of Handle's methods and the JSON of its general call. Private to the module.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "guestfs/handle.hpp"

namespace slipway::guestfs {

inline Json argument(std::string_view text) {
    return std::string(text);
}
inline Json argument(const std::vector<std::string>& list) {
    return list;
}
inline Json argument(std::int64_t number) {
    return number;
}
inline Json argument(bool truth) {
    return truth;
}
template <class T> Json argument(const std::optional<T>& value) {
    return value ? argument(*value) : Json();
}
// Literals would else be taken for truths.
inline Json argument(const char* text) {
    return std::string(text);
}
inline Json argument(const std::string& text) {
    return text;
}

/// A member that is missing keeps its default.
template <class T> void take(const Json& json, std::string_view name, T& member) {
    member = json_get<T>(json, name, member);
}
inline void take(const Json& json, std::string_view name, char& member) {
    auto text = json_get<std::string>(json, name);
    member = text.empty() ? '\0' : text.front();
}

inline void from_json(const Json& json, Hash& hash) {
    for (const auto& [name, value] : json.items())
        hash.emplace_back(name, value.is_string() ? value.get<std::string>() : std::string{});
}

template <class R> R typed(Result<Json> answer) {
    using T = typename R::value_type;
    if (!answer)
        return fail(std::move(answer).error());
    if constexpr (std::is_void_v<T>)
        return {};
    else if constexpr (std::is_same_v<T, Hash>) {
        Hash hash;
        from_json(*answer, hash);
        return hash;
    } else
        try {
            return answer->template get<T>();
        } catch (const nlohmann::json::exception&) {
            return fail(Code::Protocol, "the worker's answer has another type");
        }
}

} // namespace slipway::guestfs
