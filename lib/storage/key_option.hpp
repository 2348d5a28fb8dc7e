// SPDX-License-Identifier: Apache-2.0
// The text of `--key`, as users of the virt tools know it. Pure.
#pragma once

#include <string>
#include <string_view>

#include "base/error.hpp"

namespace slipway::storage {

struct KeyOption {
    enum class Source { File, Descriptor, Prompt };
    std::string selector; ///< "all", a volume ("sda3", "vg/lv"), "/dev/sda3", or a LUKS UUID
    Source source = Source::Prompt;
    std::string path{}; ///< of a File
    int descriptor = -1;
};

/// `WHICH:file:PATH`, `WHICH:fd:N` or `WHICH:prompt`. InvalidArgument says what is wrong, without
/// repeating what could be a secret: `WHICH:key:SECRET` is refused, because everybody on the
/// machine can read argv.
[[nodiscard]] Result<KeyOption> parse_key_option(std::string_view text);

} // namespace slipway::storage
