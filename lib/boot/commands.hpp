// SPDX-License-Identifier: Apache-2.0
// What is typed at the prompt; pure.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"
#include "boot/options.hpp"

namespace slipway::boot {

struct Command {
    std::string name;
    std::vector<std::string> arguments{};
    std::map<std::string, std::string> options{}; ///< without their dashes; "" of a switch
};

/// Words, with quotes for blanks; options anywhere, as "--name value" or "--name=value".
/// InvalidArgument: no such command or option, one without its value, too many or too few
/// arguments: with how the command is used. An empty line has the name "".
[[nodiscard]] Result<Command> parse_command(std::string_view line);
/// Of all commands, a line each, or of one in full.
[[nodiscard]] std::string help_text(std::string_view name = {});

} // namespace slipway::boot
