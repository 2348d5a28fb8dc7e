// SPDX-License-Identifier: Apache-2.0
#include <cstdlib>
#include <filesystem>

#include <sys/file.h>

#include <gtest/gtest.h>

#include "sys/cache.hpp"

namespace slipway::sys {
namespace {

namespace fs = std::filesystem;

class MakeCached : public testing::Test {
protected:
    void SetUp() override {
        std::string pattern = testing::TempDir() + "cache-XXXXXX";
        base_ = ::mkdtemp(pattern.data());
        directory_ = base_ + "/kernels/one";
    }
    void TearDown() override { fs::remove_all(base_); }

    Status make(const std::string& text = "whole", const Cancel& cancel = {}) {
        return make_cached(directory_,
                           [&](const std::string& place) -> Status {
                               ++filled_;
                               if (text.empty())
                                   return fail(Code::Corrupt, "no text");
                               return write_file(place + "/text", text);
                           },
                           cancel, {});
    }

    std::string base_, directory_;
    int filled_ = 0;
};

TEST_F(MakeCached, IsMadeOnce) {
    ASSERT_TRUE(make());
    ASSERT_TRUE(make("other"));
    EXPECT_EQ(filled_, 1);
    EXPECT_EQ(*read_file(directory_ + "/text"), "whole");
}

TEST_F(MakeCached, WhatFailsLeavesNothing) {
    EXPECT_EQ(make("").error().code, Code::Corrupt);
    EXPECT_FALSE(fs::exists(directory_));
    EXPECT_FALSE(fs::exists(base_ + "/kernels/.new"));
    EXPECT_TRUE(make());
}

TEST_F(MakeCached, WhatAKilledOneLeftIsTakenAway) {
    fs::create_directories(base_ + "/kernels/.new/half");
    ASSERT_TRUE(make());
    EXPECT_FALSE(fs::exists(directory_ + "/half"));
}

TEST_F(MakeCached, WaitsForAnotherAndCanBeStoppedMeanwhile) {
    fs::create_directories(base_ + "/kernels");
    auto lock = open_file(base_ + "/kernels/lock", O_RDWR | O_CREAT, 0600);
    ASSERT_EQ(::flock(lock->raw(), LOCK_EX), 0);
    Cancel cancel;
    cancel.request();
    EXPECT_EQ(make("whole", cancel).error().code, Code::Cancelled);
    EXPECT_EQ(filled_, 0);
}

TEST(CacheDirectory, RelativeOnesAreOfTheWorkingDirectory) {
    auto before = std::getenv("SLIPWAY_CACHE") ? std::string(std::getenv("SLIPWAY_CACHE")) : "";
    ::setenv("SLIPWAY_CACHE", "here/../there", 1);
    EXPECT_EQ(*cache_directory(), fs::current_path().string() + "/there");
    before.empty() ? ::unsetenv("SLIPWAY_CACHE") : ::setenv("SLIPWAY_CACHE", before.c_str(), 1);
}

} // namespace
} // namespace slipway::sys
