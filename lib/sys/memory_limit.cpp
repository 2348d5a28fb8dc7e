// SPDX-License-Identifier: Apache-2.0
#include "sys/memory_limit.hpp"

#include <optional>

#include <sys/resource.h>

namespace slipway::sys {
namespace {

std::optional<rlimit> limit_of_children;

} // namespace

void limit_own_memory(std::uint64_t bytes) {
    rlimit limit{};
    if (::getrlimit(RLIMIT_DATA, &limit) != 0 || limit.rlim_cur <= bytes)
        return;
    limit_of_children = limit;
    limit.rlim_cur = bytes;
    ::setrlimit(RLIMIT_DATA, &limit);
}

void lift_memory_limit() {
    if (limit_of_children)
        ::setrlimit(RLIMIT_DATA, &*limit_of_children);
}

} // namespace slipway::sys
