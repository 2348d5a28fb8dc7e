// SPDX-License-Identifier: Apache-2.0
#include "boot/changes.hpp"

#include <fmt/format.h>

#include "base/strings.hpp"

namespace slipway::boot {

Change change_of(std::string what, const Status& undone) {
    return {.what = std::move(what),
            .undone = undone.has_value(),
            .why = undone ? "" : render_line(undone.error())};
}

std::string render_changes(const std::vector<Change>& changes) {
    std::vector<std::string> undone, left, modules;
    for (const auto& change : changes) {
        constexpr std::string_view module = "the module ";
        if (change.what.starts_with(module))
            modules.push_back(change.what.substr(module.size()));
        else if (change.undone)
            undone.push_back(change.what);
        else
            left.push_back(change.why.empty() ? change.what
                                              : fmt::format("{} ({})", change.what, change.why));
    }
    std::string text;
    if (!undone.empty())
        text += fmt::format("undone: {}\n", join(undone, ", "));
    if (!left.empty())
        text += fmt::format("LEFT BEHIND: {}\n", join(left, ", "));
    if (!modules.empty())
        text += fmt::format("modules that stay: {}\n", join(modules, ", "));
    return text;
}

} // namespace slipway::boot
