// SPDX-License-Identifier: Apache-2.0
// Programs of this host with all the libraries that they start with, for a machine that has nothing
// else. Nothing is executed to find out.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "base/error.hpp"

namespace slipway::appliance {

class ProgramFiles {
public:
    /// `host` stands in for "/", for tests.
    explicit ProgramFiles(std::string host = {}) : host_(std::move(host)) {}

    /// Adds the program, its interpreter and its libraries, or nothing of them. Scripts have no
    /// libraries. NotFound names the library that is missing.
    [[nodiscard]] Status add(const std::string& path);
    /// The same, under another name in the machine.
    [[nodiscard]] Status add_as(const std::string& path, const std::string& name);

    /// Content by absolute path, where the dynamic loader looks without a cache.
    [[nodiscard]] std::map<std::string, std::string> take() { return std::move(files_); }

private:
    using Files = std::map<std::string, std::string>;
    [[nodiscard]] Status add_needs(const std::string& path, const std::string& content,
                                   Files& found) const;
    [[nodiscard]] Result<std::string> find_library(const std::string& name,
                                                   const std::vector<std::string>& run_path) const;

    std::string host_;
    Files files_;
};

} // namespace slipway::appliance
