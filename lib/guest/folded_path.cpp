// SPDX-License-Identifier: Apache-2.0
#include "guest/folded_path.hpp"

#include <fmt/format.h>

#include "base/strings.hpp"

namespace slipway::guest {
namespace {

// System32 has some five thousand.
constexpr std::size_t most_entries = 65536;

std::optional<std::string> find_entry(const GuestFiles& files, const std::string& directory,
                                      std::string_view wanted) {
    auto exact = directory + "/" + std::string(wanted);
    if (files.exists(exact))
        return exact;
    auto folded = to_lower(wanted);
    for (const auto& name : files.list(directory.empty() ? "/" : directory, most_entries))
        if (to_lower(name) == folded)
            return fmt::format("{}/{}", directory, name);
    return std::nullopt;
}

} // namespace

std::optional<std::string> find_folded(const GuestFiles& files, std::string_view path) {
    std::string found;
    for (auto part : split(path, '/')) {
        if (part.empty())
            continue;
        auto next = find_entry(files, found, part);
        if (!next)
            return std::nullopt;
        found = std::move(*next);
    }
    return found;
}

} // namespace slipway::guest
