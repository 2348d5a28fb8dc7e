// SPDX-License-Identifier: Apache-2.0
#include <cstdlib>
#include <filesystem>

#include <sys/stat.h>

#include <gtest/gtest.h>

#include "repair/apply.hpp"

namespace slipway::repair {
namespace {

using report::Action;
using report::ActionKind;
using report::OutcomeState;

class Apply : public testing::Test {
protected:
    void SetUp() override {
        std::string name = testing::TempDir() + "slipway-apply-XXXXXX";
        ASSERT_NE(::mkdtemp(name.data()), nullptr);
        directory_ = name;
        auto opened = sys::RootDir::open(directory_);
        ASSERT_TRUE(opened);
        root_.emplace(std::move(*opened));
    }
    void TearDown() override { std::filesystem::remove_all(directory_); }

    [[nodiscard]] std::string read(std::string_view path) const {
        return root_->read(sys::GuestPath(path)).value_or("(none)");
    }
    void write(std::string_view path, std::string_view text, mode_t mode = 0644) {
        ASSERT_TRUE(root_->make_dirs(sys::GuestPath(path).parent()));
        ASSERT_TRUE(root_->write_atomic(sys::GuestPath(path), text, mode));
    }
    [[nodiscard]] ApplyContext context() const { return {.root = *root_, .host = host_}; }

    std::string directory_;
    std::optional<sys::RootDir> root_;
    sys::Host host_;
};

TEST_F(Apply, WritesAFileAndKeepsItsModeAndTheFirstOriginal) {
    write("/etc/crypttab", "old", 0600);
    Action action{
        .repair = "crypttab", .path = "/etc/crypttab", .content = "new", .keep_backup = true};
    auto outcome = apply(action, context());
    ASSERT_TRUE(outcome);
    EXPECT_EQ(outcome->state, OutcomeState::Done);
    EXPECT_EQ(read("/etc/crypttab"), "new");
    EXPECT_EQ(read("/etc/crypttab.slipway-orig"), "old");
    EXPECT_EQ(root_->stat(sys::GuestPath("/etc/crypttab"))->st_mode & 07777, 0600U);
    EXPECT_EQ(root_->stat(sys::GuestPath("/etc/crypttab.slipway-orig"))->st_mode & 07777, 0600U);
    action.content = "newer";
    ASSERT_TRUE(apply(action, context()));
    EXPECT_EQ(read("/etc/crypttab.slipway-orig"), "old");
}

TEST_F(Apply, WritingTheSameAgainIsSkipped) {
    write("/etc/fstab", "text");
    auto outcome = apply({.path = "/etc/fstab", .content = "text", .keep_backup = true}, context());
    ASSERT_TRUE(outcome);
    EXPECT_EQ(outcome->state, OutcomeState::Skipped);
    EXPECT_EQ(read("/etc/fstab.slipway-orig"), "(none)");
}

TEST_F(Apply, NewFilesGetTheirDirectory) {
    ASSERT_TRUE(
        apply({.path = "/etc/dracut.conf.d/50-slipway-virtio.conf", .content = "x"}, context()));
    EXPECT_EQ(read("/etc/dracut.conf.d/50-slipway-virtio.conf"), "x");
}

TEST_F(Apply, Trap10_LinksOfTheGuestDoNotLeadOut) {
    std::string outside = directory_ + "-outside";
    std::filesystem::create_directory(outside);
    ASSERT_TRUE(root_->make_symlink(outside, sys::GuestPath("/etc")));
    auto outcome = apply({.path = "/etc/fstab", .content = "x"}, context());
    EXPECT_TRUE(std::filesystem::is_empty(outside));
    std::filesystem::remove_all(outside);
    EXPECT_FALSE(outcome && outcome->state == OutcomeState::Done && read("/etc/fstab") == "(none)");
    EXPECT_FALSE(apply({.path = "/../x", .content = "x"}, context()));
    EXPECT_FALSE(
        apply({.kind = ActionKind::RemoveFile, .path = std::string("/a\0b", 4)}, context()));
}

TEST_F(Apply, RemovesOnce) {
    write("/boot/grub/device.map", "(hd0) /dev/sda");
    Action action{.kind = ActionKind::RemoveFile, .path = "/boot/grub/device.map"};
    EXPECT_EQ(apply(action, context())->state, OutcomeState::Done);
    EXPECT_FALSE(root_->exists(sys::GuestPath("/boot/grub/device.map")));
    EXPECT_EQ(apply(action, context())->state, OutcomeState::Skipped);
}

TEST_F(Apply, ToolsAreSkippedWithoutARunner) {
    auto outcome = apply({.kind = ActionKind::RunTool, .argv = {"update-grub"}}, context());
    ASSERT_TRUE(outcome);
    EXPECT_EQ(outcome->state, OutcomeState::Skipped);
    EXPECT_EQ(apply({.kind = ActionKind::AppendInitramfs}, context())->state,
              OutcomeState::Skipped);
}

TEST_F(Apply, ToolsLeaveTimingsOutputAndStatus) {
    auto with = context();
    int status = 0;
    with.run_tool = [&](const Action&) -> Result<ToolRun> {
        return ToolRun{status, "last words", {.mount = 1, .run = 2, .unmount = 3}};
    };
    Action action{.kind = ActionKind::RunTool, .argv = {"update-grub"}};
    auto outcome = apply(action, with);
    EXPECT_EQ(outcome->state, OutcomeState::Done);
    EXPECT_EQ(outcome->timings.run, 2);
    EXPECT_EQ(outcome->output, "last words");
    status = 3;
    outcome = apply(action, with);
    EXPECT_EQ(outcome->state, OutcomeState::Failed);
    EXPECT_EQ(outcome->detail, "update-grub ended with status 3: last words");
}

TEST_F(Apply, ToolThatHangsIsAFailureAndAStopIsAnError) {
    auto with = context();
    with.run_tool = [](const Action&) -> Result<ToolRun> {
        return fail(Code::Timeout, "dracut did not end");
    };
    auto outcome = apply({.kind = ActionKind::RunTool, .argv = {"dracut"}}, with);
    ASSERT_TRUE(outcome);
    EXPECT_EQ(outcome->state, OutcomeState::Failed);
    with.run_tool = [](const Action&) -> Result<ToolRun> {
        return fail(Code::Cancelled, "stopped");
    };
    outcome = apply({.kind = ActionKind::RunTool, .argv = {"dracut"}}, with);
    ASSERT_FALSE(outcome);
    EXPECT_EQ(outcome.error().code, Code::Cancelled);
}

TEST_F(Apply, SegmentsAreAppendedByTheGivenFunction) {
    auto with = context();
    with.append_initramfs = [](const sys::RootDir&, const Action& action) -> Result<std::string> {
        if (action.kernel.empty())
            return fail(Code::Unsupported, "a unified kernel image");
        return "249 KiB";
    };
    EXPECT_EQ(apply({.kind = ActionKind::AppendInitramfs, .kernel = "6.1"}, with)->detail,
              "249 KiB");
    EXPECT_EQ(apply({.kind = ActionKind::AppendInitramfs}, with)->state, OutcomeState::Failed);
}

TEST_F(Apply, NothingIsDoneAfterAStop) {
    host_.cancel.request();
    EXPECT_FALSE(apply({.path = "/x", .content = "x"}, context()));
    EXPECT_EQ(read("/x"), "(none)");
}

} // namespace
} // namespace slipway::repair
