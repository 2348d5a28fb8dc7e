// SPDX-License-Identifier: Apache-2.0
#include "sys/directories.hpp"

#include <filesystem>

#include <fmt/format.h>

namespace slipway::sys {

Status make_directories(const std::string& path) {
    std::error_code failed;
    std::filesystem::create_directories(path, failed);
    if (failed)
        return fail_errno(fmt::format("making the directory {}", path), failed.value());
    return {};
}

} // namespace slipway::sys
