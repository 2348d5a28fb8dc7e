// SPDX-License-Identifier: Apache-2.0
// Package databases that are text: dpkg, pacman, apk. Pure; text that makes no sense is passed
// over.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "report/packages.hpp"

namespace slipway::guest {

/// More packages than any system has; what a database names beyond is left out.
constexpr std::size_t max_packages = 100'000;

/// A field of a package: without control characters, at most 256 bytes.
[[nodiscard]] std::string package_field(std::string_view text);
/// The lines of a longer text, each as it can be shown; what is above 16 KiB is left out.
[[nodiscard]] std::string package_lines(std::string_view text);

/// Paragraphs of dpkg's status file: those whose files are there, see dpkg(1) "package states". One
/// without Status counts, as in the status.d of images without dpkg.
[[nodiscard]] std::vector<report::Package> parse_dpkg_status(std::string_view text);
/// A file "desc" of pacman's local database.
[[nodiscard]] std::optional<report::Package> parse_pacman_desc(std::string_view text);
/// apk's "installed" file.
[[nodiscard]] std::vector<report::Package> parse_apk_installed(std::string_view text);

} // namespace slipway::guest
