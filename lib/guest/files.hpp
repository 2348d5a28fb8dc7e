// SPDX-License-Identifier: Apache-2.0
// Reads a guest that may be hostile: everything has a limit, and what hits one becomes a finding.
#pragma once

#include <cstddef>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "report/finding.hpp"
#include "sys/root_dir.hpp"

namespace slipway::guest {

/// Borrows the root and the list of findings.
class GuestFiles {
public:
    static constexpr std::size_t max_file = 256 << 10;    ///< bytes
    static constexpr std::size_t max_boot_file = 1 << 20; ///< of what a boot loader reads
    static constexpr std::size_t max_entries = 4096;      ///< of a directory

    GuestFiles(const sys::RootDir& root, report::Findings& findings)
        : root_(root), findings_(findings) {}

    [[nodiscard]] const sys::RootDir& root() const { return root_; }
    /// Nothing where it is absent, or, with a finding "file-unreadable" or "file-damaged", too
    /// large, not a regular file, or damaged.
    [[nodiscard]] std::optional<std::string> read(const std::string& path,
                                                  std::size_t limit = max_file) const;
    /// Names of entries, sorted. Absent or no directory: empty. Of a directory with more than
    /// `limit` some are left out, with a finding "directory-too-large".
    [[nodiscard]] std::vector<std::string> list(const std::string& path,
                                                std::size_t limit = max_entries) const;
    [[nodiscard]] bool exists(const std::string& path) const;
    /// The first that exists, links followed; or "".
    [[nodiscard]] std::string first_of(std::initializer_list<std::string_view> paths) const;
    void find(report::Finding finding) const { findings_.push_back(std::move(finding)); }

private:
    const sys::RootDir& root_;
    report::Findings& findings_;
};

} // namespace slipway::guest
