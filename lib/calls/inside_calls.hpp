// SPDX-License-Identifier: Apache-2.0
// Calls that are handed on to the process inside the guest's root. Private to the module.
#pragma once

#include <algorithm>
#include <array>
#include <string_view>

#include "calls/bind.hpp"

namespace slipway::calls {

/// A call's name as a template argument.
template <std::size_t size> struct CallName {
    std::array<char, size> text{};
    consteval CallName(const char (&literal)[size]) { std::copy_n(literal, size, text.begin()); }
    [[nodiscard]] constexpr std::string_view view() const { return {text.data(), size - 1}; }
};

inline Json argument_json(const std::string& text) {
    return text;
}
inline Json argument_json(std::int64_t number) {
    return number;
}
inline Json argument_json(bool truth) {
    return truth;
}
inline Json argument_json(const sys::GuestPath& path) {
    return path.str();
}
template <class T> Json argument_json(const std::optional<T>& value) {
    return value ? argument_json(*value) : Json();
}

/// InvalidArgument with the text `without` where there is no such process.
[[nodiscard]] Result<Json> hand_on(const std::unique_ptr<Inside>& inside, const char* without,
                                   std::string_view name, const Json& arguments);

template <class... T> Json argument_list(const T&... arguments) {
    auto list = Json::array();
    (list.push_back(argument_json(arguments)), ...);
    return list;
}

} // namespace slipway::calls
