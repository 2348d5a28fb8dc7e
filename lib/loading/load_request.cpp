// SPDX-License-Identifier: Apache-2.0
#include "loading/load_request.hpp"

namespace slipway::loading {

std::optional<Entry> entry_named(std::string_view name) {
    if (name == "contained")
        return Entry::Contained;
    if (name == "native")
        return Entry::Native;
    if (name == "kexec")
        return Entry::Kexec;
    return std::nullopt;
}

} // namespace slipway::loading
