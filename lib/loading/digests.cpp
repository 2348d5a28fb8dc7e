// SPDX-License-Identifier: Apache-2.0
#include "loading/digests.hpp"

#include <algorithm>
#include <cctype>

#include <fmt/format.h>

#include "base/strings.hpp"

namespace slipway::loading {

bool is_sha256(std::string_view text) {
    return text.size() == 64 && std::all_of(text.begin(), text.end(), [](unsigned char each) {
               return std::isxdigit(each) != 0;
           });
}

Result<std::string> digest_of(std::string_view name, std::string_view list) {
    std::size_t rows = 0;
    for (auto line : split_lines(list)) {
        line = trim(line);
        if (line.empty() || line.starts_with('#'))
            continue;
        auto digest = line.substr(0, line.find_first_of(" \t"));
        if (!is_sha256(digest))
            return fail(Code::Corrupt, "this is no list of SHA-256 digests");
        auto file = trim(line.substr(digest.size()));
        if (file.empty() && trim(list) == line)
            return to_lower(digest);
        if (file.starts_with('*'))
            file.remove_prefix(1);
        if (basename_of(file) == name)
            return to_lower(digest);
        ++rows;
    }
    if (rows == 0)
        return fail(Code::Corrupt, "this list of digests is empty");
    return fail(Code::NotFound, fmt::format("the list of digests has none of {}", printable(name)));
}

} // namespace slipway::loading
