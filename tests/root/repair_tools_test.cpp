// SPDX-License-Identifier: Apache-2.0
// Tools of the guest as actions, in the real enhanced chroot.
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "enter/enter.hpp"
#include "repair/apply.hpp"
#include "root/enter_guest_root.hpp"
#include "support/initramfs_guest.hpp"
#include "sys/mount.hpp"

namespace slipway::repair {
namespace {

using testing_support::must;
using testing_support::TemporaryDirectory;

class RepairTools : public testing::Test {
protected:
    void SetUp() override {
        ASSERT_TRUE(sys::enter_private_mount_namespace());
        // A root is a mount of its own, and the busybox guest is small.
        ASSERT_TRUE(sys::mount({.source = "guest",
                                .target = directory_.path(),
                                .type = "tmpfs",
                                .options = "mode=0755"}));
        ASSERT_TRUE(enter_test::make_busybox_root(directory_.path()));
        root_.emplace(must(sys::RootDir::open(directory_.path())));
        entered_.emplace(must(enter::Root::prepare({.directory = directory_.path()}, host_)));
    }
    void TearDown() override {
        entered_.reset();
        root_.reset();
        EXPECT_TRUE(sys::unmount_tree(directory_.path()));
    }
    void write_tool(std::string_view name, const std::string& script) {
        ASSERT_TRUE(
            root_->write_atomic(sys::GuestPath("/bin") / name, "#!/bin/sh\n" + script, 0755));
    }
    Result<report::Outcome> run(std::vector<std::string> argv, std::vector<std::string> env = {},
                                std::chrono::milliseconds deadline = std::chrono::seconds(60)) {
        ApplyContext context{.root = *root_, .host = host_};
        context.run_tool = tools_of(*entered_, host_, deadline);
        return apply({.repair = "test",
                      .kind = report::ActionKind::RunTool,
                      .argv = std::move(argv),
                      .env = std::move(env)},
                     context);
    }

    TemporaryDirectory directory_;
    sys::LocalRunner runner_;
    sys::Host host_{.runner = &runner_};
    std::optional<sys::RootDir> root_;
    std::optional<enter::Root> entered_;
};

TEST_F(RepairTools, ToolRunsInTheGuestWithItsEnvironmentAndMounts) {
    write_tool("update-grub", "test -r /proc/self/mountinfo || exit 9\n"
                              "echo prober=$GRUB_DISABLE_OS_PROBER > /boot/made\necho told >&2\n");
    auto outcome = run({"update-grub"}, {"GRUB_DISABLE_OS_PROBER=true"});
    ASSERT_TRUE(outcome);
    EXPECT_EQ(outcome->state, report::OutcomeState::Done) << outcome->detail << outcome->output;
    EXPECT_EQ(outcome->output, "told\n");
    EXPECT_GT(outcome->timings.run, 0);
    EXPECT_EQ(must(root_->read(sys::GuestPath("/boot/made"))), "prober=true\n");
}

TEST_F(RepairTools, Trap10_ArgumentsAreNeverReadByAShell) {
    write_tool("dracut", "for each; do echo \"<$each>\"; done\n");
    auto outcome = run({"dracut", "6.1`; touch /boot/pwned`", "$(touch /boot/pwned)"});
    ASSERT_TRUE(outcome);
    EXPECT_EQ(outcome->output, "<6.1`; touch /boot/pwned`>\n<$(touch /boot/pwned)>\n");
    EXPECT_FALSE(root_->exists(sys::GuestPath("/boot/pwned")));
}

TEST_F(RepairTools, FailingAbsentAndHangingToolsAreFailedOutcomes) {
    write_tool("mkinitcpio", "echo no hooks >&2\nexit 7\n");
    auto failing = run({"mkinitcpio", "-P"});
    ASSERT_TRUE(failing);
    EXPECT_EQ(failing->state, report::OutcomeState::Failed);
    EXPECT_EQ(failing->output, "no hooks\n");
    auto absent = run({"grub2-mkconfig"});
    ASSERT_TRUE(absent);
    EXPECT_EQ(absent->state, report::OutcomeState::Failed);
    write_tool("dracut", "sleep 600\n");
    auto hanging = run({"dracut"}, {}, std::chrono::milliseconds(300));
    ASSERT_TRUE(hanging);
    EXPECT_EQ(hanging->state, report::OutcomeState::Failed);
}

} // namespace
} // namespace slipway::repair
