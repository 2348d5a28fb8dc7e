// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"
#include "sys/root_dir.hpp"

namespace slipway::guest {

/// A program as Windows lists it for removal. "" for what it does not say.
struct WindowsProgram {
    std::string key; ///< of the registry; often a GUID
    std::string name;
    std::string version;
    std::string directory; ///< "C:\Program Files\…"
    std::string publisher;
    std::string url;
    std::string comments;
};

/// Those of the hive HKLM\SOFTWARE, also those of 32 bits, in the order of their keys; at most ten
/// thousand. Errors of Hive::open.
[[nodiscard]] Result<std::vector<WindowsProgram>>
read_windows_programs(const sys::RootDir& root, const sys::GuestPath& software_hive);

} // namespace slipway::guest
