// SPDX-License-Identifier: Apache-2.0
#include "session/wire.hpp"

#include <algorithm>
#include <charconv>

#include <fmt/format.h>

#include "base/strings.hpp"

namespace slipway::session {
namespace {

constexpr char mark = '\0';

bool is_utf8(const std::string& text) {
    if (std::all_of(text.begin(), text.end(), [](char c) { return (c & 0x80) == 0; }))
        return true;
    try {
        (void)Json(text).dump();
        return true;
    } catch (const nlohmann::json::type_error&) {
        return false;
    }
}

// Calls `change` with every string below, keys excepted: these are our own words.
template <class Change> bool each_string(Json& value, Change change) {
    if (value.is_string())
        return change(value.get_ref<std::string&>());
    if (value.is_structured())
        for (auto& member : value)
            if (!each_string(member, change))
                return false;
    return true;
}

bool pack(std::string& text) {
    if (!text.empty() && (text[0] == mark || !is_utf8(text)))
        text = mark + to_hex(reinterpret_cast<const unsigned char*>(text.data()), text.size());
    return true;
}

bool unpack(std::string& text) {
    if (text.empty() || text[0] != mark)
        return true;
    std::string bytes;
    for (std::size_t at = 1; at < text.size(); at += 2) {
        unsigned char byte = 0;
        const char* begin = text.data() + at;
        const char* end = begin + std::min<std::size_t>(2, text.size() - at);
        if (auto [stop, error] = std::from_chars(begin, end, byte, 16);
            error != std::errc{} || stop != begin + 2)
            return false;
        bytes += static_cast<char>(byte);
    }
    text = std::move(bytes);
    return true;
}

} // namespace

std::string to_wire(Json message) {
    (void)each_string(message, pack);
    return render_json(message);
}

Result<Json> from_wire(std::string_view text, std::string_view what) {
    SLIPWAY_TRY(auto message, parse_json(text, what));
    if (!each_string(message, unpack))
        return fail(Code::Corrupt, fmt::format("{} holds a string that is no bytes", what));
    return message;
}

} // namespace slipway::session
