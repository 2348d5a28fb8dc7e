// SPDX-License-Identifier: Apache-2.0
#include "image/lock.hpp"

#include <fcntl.h>

#include <algorithm>
#include <array>
#include <barrier>
#include <thread>

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace slipway::image {
namespace {

TEST(LockImage, OfSeveralThatComeAtOnceOneGetsIt) {
    auto disk = sys::make_memfd("disk", "disk");
    ASSERT_TRUE(disk);
    std::string path = fmt::format("/proc/self/fd/{}", disk->raw());
    for (int round = 0; round < 20; ++round) {
        std::barrier together(3);
        std::array<Status, 3> got;
        std::array<std::jthread, 3> threads;
        for (size_t i = 0; i < threads.size(); ++i)
            threads[i] = std::jthread([&, i] {
                auto file = sys::open_file(path, O_RDWR);
                together.arrive_and_wait();
                got[i] = lock_image(*file, Access::Write, path);
                together.arrive_and_wait();
            });
        for (auto& thread : threads)
            thread.join();
        EXPECT_EQ(std::ranges::count_if(got, [](const Status& s) { return s.has_value(); }), 1);
    }
}

} // namespace
} // namespace slipway::image
