// SPDX-License-Identifier: Apache-2.0
#include <cstdlib>
#include <new>

#include <gtest/gtest.h>

#include "base/json.hpp"
#include "sys/long_loop.hpp"

namespace slipway::sys {
namespace {

constexpr std::uint64_t limit = 256 << 20;

// A list of records, until no memory is left; true if that was told by an exception.
bool fill() {
    LongLoop loop{Cancel()};
    try {
        auto records = Json::array();
        records.get_ref<Json::array_t&>().reserve(limit / 64); // so that small pieces come last
        while (loop.step())
            records.push_back({{"name", "a text of some length, on the heap"}, {"size", 1}});
        return false;
    } catch (const std::bad_alloc&) {
        return true;
    }
}

// A JSON value that is taken apart needs memory, and its destructor cannot fail.
TEST(MemoryLimit, LeavesEnoughForWhatCleansUp) {
    EXPECT_EXIT(
        {
            limit_own_memory(limit);
            bool told = fill() && own_memory_is_short();
            renew_own_memory_limit();
            std::_Exit(told && fill() ? 0 : 1);
        },
        testing::ExitedWithCode(0), "");
}

} // namespace
} // namespace slipway::sys
