// SPDX-License-Identifier: Apache-2.0
// The API as C++ programs use it; what its calls answer is tested through Python.
#include <algorithm>
#include <filesystem>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "guestfs/handle.hpp"

namespace slipway::guestfs {
namespace {

class HandleTest : public testing::Test {
protected:
    void SetUp() override {
        if (::geteuid() != 0)
            GTEST_SKIP() << "needs root";
        std::string name =
            (std::filesystem::temp_directory_path() / "slipway-handle-XXXXXX").string();
        ASSERT_NE(::mkdtemp(name.data()), nullptr);
        directory_ = name;
    }
    void TearDown() override {
        if (!directory_.empty())
            std::filesystem::remove_all(directory_);
    }
    [[nodiscard]] std::string path(const char* name) const { return directory_ / name; }

    std::filesystem::path directory_;
};

TEST_F(HandleTest, WritesAnImageAndReadsIt) {
    {
        Handle g({.engine = "host"});
        ASSERT_TRUE(g.disk_create(path("disk.qcow2"), "qcow2", 64 << 20));
        ASSERT_TRUE(g.add_drive_opts(path("disk.qcow2"), {.format = "qcow2"}));
        auto launched = g.launch();
        ASSERT_TRUE(launched) << render_text(launched.error());
        ASSERT_TRUE(g.mkfs("ext4", "/dev/sda", {.label = "data"}));
        ASSERT_TRUE(g.mount("/dev/sda", "/"));
        ASSERT_TRUE(g.write("/file", std::string_view("a\0b", 3)));
        ASSERT_TRUE(g.close());
        EXPECT_TRUE(g.is_closed());
        EXPECT_FALSE(g.close());
    }
    Handle g({.engine = "host"});
    ASSERT_TRUE(g.add_drive(path("disk.qcow2"), {.readonly = true}));
    ASSERT_TRUE(g.launch());
    EXPECT_EQ(g.list_filesystems().value(), (Hash{{"/dev/sda", "ext4"}}));
    EXPECT_EQ(g.vfs_label("/dev/sda").value(), "data");
    ASSERT_TRUE(g.mount_ro("/dev/sda", "/"));
    EXPECT_EQ(g.read_file("/file").value(), std::string("a\0b", 3));
    EXPECT_EQ(g.statns("/file").value().st_size, 3);
    EXPECT_TRUE(g.exists("/file").value());
    EXPECT_THAT(g.ls("/").value(), testing::ElementsAre("file", "lost+found"));
    auto missing = g.cat("/none");
    ASSERT_FALSE(missing);
    EXPECT_EQ(missing.error().code, Code::NotFound);
    EXPECT_EQ(missing.error().errno_value, ENOENT);
    EXPECT_THAT(render_line(missing.error()), testing::StartsWith("cat: "));
}

TEST_F(HandleTest, TellsOfItsCalls) {
    Handle g({.engine = "host"});
    std::vector<std::string> told;
    auto number = g.set_event_callback(
        [&](Event event, int, std::string_view text, auto) {
            // Calls of a callback tell nothing, and so do not come here again.
            told.push_back(std::string(event == Event::Enter ? "enter " : "") + std::string(text) +
                           (g.is_config().value() ? "" : "?"));
        },
        static_cast<std::uint64_t>(Event::Enter) | static_cast<std::uint64_t>(Event::Trace));
    ASSERT_TRUE(g.set_trace(true));
    EXPECT_FALSE(g.ls("/"));
    g.delete_event_callback(number);
    ASSERT_TRUE(g.set_trace(false));
    EXPECT_THAT(told,
                testing::ElementsAre("enter set_trace", "enter ls", "ls \"/\"", "ls = -1 (error)"));
}

TEST_F(HandleTest, IsRefusedWhatItCannotDo) {
    Handle g({.engine = "host"});
    for (const auto& refused : {g.launch(), g.mount("/dev/sda", "/"), g.mkdir("relative"),
                                g.mkdir("/a/../b"), g.mkdir(std::string("/a\0b", 4))}) {
        ASSERT_FALSE(refused);
        EXPECT_EQ(refused.error().code, Code::InvalidArgument);
    }
    Handle other(std::move(g));
    EXPECT_TRUE(other.is_config().value());
    auto gone = g.launch(); // NOLINT(bugprone-use-after-move): what is tested
    ASSERT_FALSE(gone);
    EXPECT_EQ(gone.error().code, Code::InvalidArgument);
    EXPECT_FALSE(g.close());
    EXPECT_TRUE(g.is_closed());
}

} // namespace
} // namespace slipway::guestfs
