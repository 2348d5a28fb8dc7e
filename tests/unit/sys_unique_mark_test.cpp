// SPDX-License-Identifier: Apache-2.0
#include "sys/unique_mark.hpp"

#include <set>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

namespace slipway::sys {
namespace {

// Two jobs of one process fetched to the same name.
TEST(UniqueMark, IsOneThreadsAlone) {
    constexpr int each = 1000;
    std::vector<std::string> first, second;
    {
        std::jthread other([&second] {
            for (int i = 0; i < each; ++i)
                second.push_back(unique_mark());
        });
        for (int i = 0; i < each; ++i)
            first.push_back(unique_mark());
    }
    std::set<std::string> all(first.begin(), first.end());
    all.insert(second.begin(), second.end());
    EXPECT_EQ(all.size(), 2U * each);
}

} // namespace
} // namespace slipway::sys
