// SPDX-License-Identifier: Apache-2.0
// What is installed in a guest, as its own database has it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/json.hpp"

namespace slipway::report {

struct Package {
    std::string name;
    std::uint32_t epoch = 0;
    std::string version{};
    std::string release{}; ///< of dpkg the Debian revision; "" where a version has none
    std::string arch{};    ///< as the database names it: amd64, x86_64, all, noarch, …
    // What it says of itself; not part of the JSON form.
    std::string url{};
    std::string source{};      ///< package of the source; "" where it has the same name
    std::string summary{};     ///< one line
    std::string description{}; ///< lines
};

struct PackageList {
    std::string database{}; ///< "dpkg", "rpm", "pacman", "apk", or "": none was found
    std::vector<Package> list{};
};

[[nodiscard]] Json to_json(const Package& package);
[[nodiscard]] Package package_from_json(const Json& json);
/// {"database", "list"}
[[nodiscard]] Json to_json(const PackageList& packages);
/// "1:2.3-4", as the database writes it.
[[nodiscard]] std::string full_version(const Package& package);
/// A line with the number, and a line for each.
[[nodiscard]] std::string render_text(const PackageList& packages);

} // namespace slipway::report
