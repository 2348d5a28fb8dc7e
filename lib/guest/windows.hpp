// SPDX-License-Identifier: Apache-2.0
// A Windows system: what its registry and programs say of it. Nothing is run or written.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "guest/files.hpp"
#include "report/inventory.hpp"

namespace slipway::guest {

/// Where Windows stands, as it is spelled: "/Windows" or the like with System32/config below.
[[nodiscard]] std::optional<std::string> find_windows(const GuestFiles& files);
/// Everything about the system whose root was found; `inventory` has the volumes for the drive
/// letters. Findings: registry-unreadable, hibernated.
[[nodiscard]] report::OperatingSystem read_windows(const GuestFiles& files,
                                                   const std::string& system_root,
                                                   const report::Inventory& inventory);
/// Machine of a program by the number in its PE header, as `uname -m` names it; "" if unknown.
[[nodiscard]] std::string_view pe_machine(unsigned number);

} // namespace slipway::guest
