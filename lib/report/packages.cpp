// SPDX-License-Identifier: Apache-2.0
#include "report/packages.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "base/strings.hpp"

namespace slipway::report {

Json to_json(const Package& package) {
    return {{"name", package.name},
            {"epoch", package.epoch},
            {"version", package.version},
            {"release", package.release},
            {"arch", package.arch}};
}

Package package_from_json(const Json& json) {
    return {.name = json_get<std::string>(json, "name"),
            .epoch = json_get<std::uint32_t>(json, "epoch"),
            .version = json_get<std::string>(json, "version"),
            .release = json_get<std::string>(json, "release"),
            .arch = json_get<std::string>(json, "arch")};
}

Json to_json(const PackageList& packages) {
    auto list = Json::array();
    for (const auto& package : packages.list)
        list.push_back(to_json(package));
    return {{"database", packages.database}, {"list", std::move(list)}};
}

std::string full_version(const Package& package) {
    auto text =
        package.epoch == 0 ? package.version : fmt::format("{}:{}", package.epoch, package.version);
    return package.release.empty() ? text : fmt::format("{}-{}", text, package.release);
}

std::string render_text(const PackageList& packages) {
    if (packages.database.empty())
        return "Installed packages: no database of dpkg, rpm, pacman or apk was found\n";
    auto text =
        fmt::format("Installed packages: {} ({})\n", packages.list.size(), packages.database);
    std::size_t name_width = 0, version_width = 0;
    constexpr std::size_t widest = 40; // a longer one moves its own line only
    for (const auto& package : packages.list) {
        name_width = std::min(std::max(name_width, package.name.size()), widest);
        version_width = std::min(std::max(version_width, full_version(package).size()), widest);
    }
    for (const auto& package : packages.list)
        text += fmt::format("  {:<{}}  {:<{}}  {}\n", package.name, name_width,
                            full_version(package), version_width, package.arch);
    return printable(text);
}

} // namespace slipway::report
