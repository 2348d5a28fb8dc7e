// SPDX-License-Identifier: Apache-2.0
#include "sys/memory_limit.hpp"

#include <new>
#include <optional>

#include <sys/resource.h>

namespace slipway::sys {
namespace {

std::optional<rlimit> limit_of_children;
rlimit own_limit;

// Destructors on the way up may need memory (a large JSON value takes itself apart with a list);
// one that does not get it ends the process.
[[noreturn]] void give_what_was_kept_back() {
    auto more = own_limit;
    more.rlim_cur += more.rlim_cur / 4;
    ::setrlimit(RLIMIT_DATA, &more);
    std::set_new_handler(nullptr);
    throw std::bad_alloc();
}

} // namespace

void limit_own_memory(std::uint64_t bytes) {
    rlimit limit{};
    if (::getrlimit(RLIMIT_DATA, &limit) != 0 || limit.rlim_cur <= bytes)
        return;
    limit_of_children = limit;
    own_limit = limit;
    own_limit.rlim_cur = bytes;
    renew_own_memory_limit();
}

void renew_own_memory_limit() {
    if (!limit_of_children)
        return;
    ::setrlimit(RLIMIT_DATA, &own_limit);
    std::set_new_handler(give_what_was_kept_back);
}

void lift_memory_limit() {
    if (limit_of_children)
        ::setrlimit(RLIMIT_DATA, &*limit_of_children);
}

} // namespace slipway::sys
