// SPDX-License-Identifier: Apache-2.0
// The kernel command line in a guest's boot configuration, and whether it names a serial console.
// Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace slipway::ops {

struct BootCommand {
    std::string kernel;    ///< as the file names it, from the root of its filesystem; may be empty
    std::string arguments; ///< without words that a boot loader would have to expand
};

/// The first kernel of a file that a boot loader reads; of grubenv (kernelopts) and extlinux.conf
/// the arguments alone. `path` says which kind of file it is. Nothing where none is named.
[[nodiscard]] std::optional<BootCommand> find_boot_command(std::string_view path,
                                                           std::string_view text);
/// console=ttyS0, the port that a machine of `prove` has.
[[nodiscard]] bool has_serial_console(std::string_view arguments);
/// The same command line for a boot that is watched on ttyS0: other consoles, quiet and splash go.
[[nodiscard]] std::string with_serial_console(std::string_view arguments);

} // namespace slipway::ops
