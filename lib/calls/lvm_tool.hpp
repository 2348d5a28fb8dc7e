// SPDX-License-Identifier: Apache-2.0
// Names and columns of lvm. Private to the module.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "calls/machine.hpp"

namespace slipway::calls {

/// Those that every group of the guest's has.
[[nodiscard]] Result<std::vector<std::string>> pvs(Machine& machine);
[[nodiscard]] Result<std::vector<std::string>> vgs(Machine& machine);

[[nodiscard]] Status check_lvm_name(const std::string& name, std::string_view what);
[[nodiscard]] Status check_group_name(const std::string& name);
[[nodiscard]] Result<std::string> volume_name(const std::string& text);
[[nodiscard]] Status lvm_step(Machine& machine, const std::string& command,
                              std::vector<std::string> arguments);
[[nodiscard]] Result<std::vector<std::string>>
lvm_column(Machine& machine, const std::string& command, std::vector<std::string> arguments);
[[nodiscard]] Result<std::vector<std::string>>
lvm_sorted_column(Machine& machine, const std::string& command, std::vector<std::string> arguments);
[[nodiscard]] Result<std::string> lvm_value(Machine& machine, const std::string& command,
                                            std::vector<std::string> arguments);

} // namespace slipway::calls
