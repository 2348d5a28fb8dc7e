// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "base/strings.hpp"
#include "http/server.hpp"

namespace slipway::http {

// RFC 9110, section 14.
Result<std::optional<Range>> parse_range(std::string_view header, std::uint64_t size) {
    constexpr std::string_view unit = "bytes=";
    if (!header.starts_with(unit) || header.find(',') != std::string_view::npos)
        return std::nullopt;
    header.remove_prefix(unit.size());
    auto dash = header.find('-');
    if (dash == std::string_view::npos)
        return std::nullopt;
    auto first = parse_number(header.substr(0, dash));
    auto last = parse_number(header.substr(dash + 1));
    bool has_first = dash != 0, has_last = dash + 1 != header.size();
    if ((has_first && !first) || (has_last && !last) || (!has_first && !has_last) ||
        (has_first && has_last && *last < *first))
        return std::nullopt;
    Range range;
    if (!has_first)
        range = {size - std::min(size, *last), std::min(size, *last)};
    else if (*first < size)
        range = {*first, std::min(has_last ? *last : size - 1, size - 1) - *first + 1};
    if (range.length == 0)
        return fail(Code::InvalidArgument, "the file ends before the range");
    return range;
}

} // namespace slipway::http
