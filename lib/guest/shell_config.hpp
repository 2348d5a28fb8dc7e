// SPDX-License-Identifier: Apache-2.0
// Assignments in files that a shell sources: /etc/default/grub, initramfs.conf, dracut.conf. Reads
// plain NAME=value and NAME+=value lines as of POSIX sh; runs nothing, expands nothing. Text that
// is no assignment is passed over.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace slipway::guest {

struct ShellAssignment {
    std::string name;
    bool append = false;   ///< NAME+=
    bool array = false;    ///< NAME=( … ): begin and end lie inside the parentheses
    std::size_t begin = 0; ///< offset of the value's text, inside the quotes that enclose all of it
    std::size_t end = 0;
    std::string value; ///< quotes and backslashes taken away
};

[[nodiscard]] std::vector<ShellAssignment> parse_shell_assignments(std::string_view text);
/// The assignment in force: the last one, or null.
[[nodiscard]] const ShellAssignment* last_assignment(const std::vector<ShellAssignment>& all,
                                                     std::string_view name);

} // namespace slipway::guest
