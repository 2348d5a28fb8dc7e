// SPDX-License-Identifier: Apache-2.0
// A user's local.config with sections; see README.config-sections of fstests. Pure.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.hpp"

namespace slipway::fstests {

using Settings = std::vector<std::pair<std::string, std::string>>;

struct Section {
    std::string name; ///< "" of a file without sections
    /// Variables and their values as they stand in the file, without the quotes around them. The
    /// shell of the machine still replaces variables in them.
    Settings settings{};

    [[nodiscard]] std::string get(std::string_view key) const; ///< "" where it is not set
};

struct Config {
    std::vector<Section> sections{};
    std::vector<std::string> dropped{}; ///< "[a] TEST_DEV": what is not the user's to say here
};

/// Each section with what it inherits: variables go on from section to section; options of mkfs,
/// mount and fsck only as long as FSTYP stays the same. `wanted`: as with check -s, only these are
/// read, after the first one of the file; empty: all. Devices, mount points and the place of the
/// results are left out. InvalidArgument: a line that sets nothing, a name that is given twice.
/// NotFound: a wanted section.
[[nodiscard]] Result<Config> parse_config(std::string_view text,
                                          const std::vector<std::string>& wanted);

/// `export KEY="VALUE"`, with quotes and a last backslash of the value escaped.
[[nodiscard]] std::string render_shell(const Settings& settings);

} // namespace slipway::fstests
