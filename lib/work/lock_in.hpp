// SPDX-License-Identifier: Apache-2.0
// For processes that work on a guest's files by their paths.
#pragma once

#include <cstdint>

#include "base/error.hpp"

namespace slipway::work {

constexpr std::uint64_t capability_bit(int capability) {
    return std::uint64_t{1} << capability;
}

/// Makes the directory the root of this process, closes it, and takes from the process all that
/// files do not need: capabilities but those of the mask, connections, namespaces, kernel
/// interfaces, and programs and libraries that are not loaded yet. Needs root.
/// `start`: a directory inside, which becomes the working directory, or -1; it is closed too.
[[nodiscard]] Status lock_into(int directory, std::uint64_t capabilities, int start = -1);

} // namespace slipway::work
