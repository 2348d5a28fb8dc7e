// SPDX-License-Identifier: Apache-2.0
#include "sys/unique_mark.hpp"

#include <atomic>

#include <unistd.h>

#include <fmt/format.h>

namespace slipway::sys {

std::string unique_mark() {
    static std::atomic<unsigned long> last{0};
    return fmt::format("{}-{}", ::getpid(), ++last);
}

} // namespace slipway::sys
