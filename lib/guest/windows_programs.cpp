// SPDX-License-Identifier: Apache-2.0
#include "guest/windows_programs.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "base/strings.hpp"
#include "guest/registry.hpp"

namespace slipway::guest {

Result<std::vector<WindowsProgram>> read_windows_programs(const sys::RootDir& root,
                                                          const sys::GuestPath& software_hive) {
    constexpr std::size_t most_programs = 10000;
    SLIPWAY_TRY(auto hive, Hive::open(root, software_hive));
    std::vector<WindowsProgram> programs;
    for (const auto* above : {"Microsoft", "WOW6432Node\\Microsoft"}) {
        auto folder = fmt::format("{}\\Windows\\CurrentVersion\\Uninstall", above);
        for (auto& key : hive.keys(folder)) {
            auto text = [&](const char* value) {
                return hive.text(fmt::format("{}\\{}", folder, key), value);
            };
            auto name = text("DisplayName");
            if (name.empty() || programs.size() >= most_programs)
                continue;
            programs.push_back({.key = printable(key),
                                .name = std::move(name),
                                .version = text("DisplayVersion"),
                                .directory = text("InstallLocation"),
                                .publisher = text("Publisher"),
                                .url = text("URLInfoAbout"),
                                .comments = text("Comments")});
        }
    }
    std::stable_sort(programs.begin(), programs.end(),
                     [](const auto& a, const auto& b) { return a.key < b.key; });
    return programs;
}

} // namespace slipway::guest
