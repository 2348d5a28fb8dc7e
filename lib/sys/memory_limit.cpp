// SPDX-License-Identifier: Apache-2.0
#include "sys/memory_limit.hpp"

#include <new>
#include <optional>

#include <malloc.h>
#include <sys/resource.h>

namespace slipway::sys {
namespace {

std::optional<rlimit> limit_of_children;
rlimit own_limit;
int times_reached = 0;

void allow(rlim_t bytes) {
    auto limit = own_limit;
    limit.rlim_cur = bytes;
    ::setrlimit(RLIMIT_DATA, &limit);
}

// Destructors may need memory (a JSON value takes itself apart with a list), and cannot fail. So
// the first who come get what they ask for, while loops look at `own_memory_is_short` and end.
void at_limit() {
    constexpr int times_more = 2;
    if (times_reached == times_more)
        throw std::bad_alloc();
    ++times_reached;
    allow(own_limit.rlim_cur + own_limit.rlim_cur / 8 * static_cast<rlim_t>(times_reached));
}

} // namespace

void limit_own_memory(std::uint64_t bytes) {
    rlimit limit{};
    if (::getrlimit(RLIMIT_DATA, &limit) != 0 || limit.rlim_cur <= bytes)
        return;
    limit_of_children = limit;
    own_limit = limit;
    own_limit.rlim_cur = bytes;
    std::set_new_handler(at_limit);
    allow(bytes);
}

bool own_memory_is_short() {
    return times_reached > 0;
}

void renew_own_memory_limit() {
    if (times_reached == 0)
        return;
    ::malloc_trim(0); // what is free counts, too
    times_reached = 0;
    allow(own_limit.rlim_cur);
}

void lift_memory_limit() {
    if (limit_of_children)
        ::setrlimit(RLIMIT_DATA, &*limit_of_children);
}

} // namespace slipway::sys
