// SPDX-License-Identifier: Apache-2.0
// Two directories of a test, "from" and "to", between which an archive goes. Needs root.
#pragma once

#include <filesystem>
#include <string>

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

namespace slipway::archive {

class ArchiveCase : public testing::Test {
protected:
    void SetUp() override {
        if (::geteuid() != 0)
            GTEST_SKIP() << "not root";
        ASSERT_NE(::mkdtemp(scratch_.data()), nullptr);
        for (const auto* name : {"from", "to"})
            std::filesystem::create_directory(path(name));
    }
    void TearDown() override { std::filesystem::remove_all(scratch_); }

    [[nodiscard]] std::string path(const std::string& name) const { return scratch_ + "/" + name; }
    [[nodiscard]] struct stat look_at(const std::string& name) const {
        struct stat info {};
        EXPECT_EQ(::lstat(path(name).c_str(), &info), 0) << name;
        return info;
    }

private:
    std::string scratch_ = "/var/tmp/slipway-archive-XXXXXX";
};

} // namespace slipway::archive
