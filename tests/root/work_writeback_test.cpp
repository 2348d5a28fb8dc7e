// SPDX-License-Identifier: Apache-2.0
#include "work/opened_root.hpp"

#include <csignal>

#include <fmt/format.h>

#include "base/strings.hpp"
#include "image/qemu_img.hpp"
#include "support/loop_image.hpp"

namespace slipway::work {
namespace {

using image::DiskSpec;
using image::Overlay;
using image::Source;
using testing_support::LoopTest;

/// A writable overlay over a raw image with one ext4 filesystem, opened as a worker does.
class WritableRoot : public LoopTest {
protected:
    void SetUp() override {
        LoopTest::SetUp();
        if (IsSkipped())
            return;
        make_image("base.raw", 32, {"mkfs.ext4", "-q", "-F"});
        sys::LocalRunner runner;
        sys::Host host{.runner = &runner};
        auto source = Source::open(path("base.raw"), {.first_fd = first_fd});
        ASSERT_TRUE(source) << render_text(source.error());
        auto file = sys::open_file(path("overlay"), O_RDWR | O_CREAT | O_EXCL, 0600);
        auto overlay =
            Overlay::create(host, std::move(*file), 32 << 20, source->next_fd(), {"test"});
        ASSERT_TRUE(overlay) << render_text(overlay.error());
        DiskSpec spec{.format = "raw",
                      .graph = overlay->graph_over(source->graph()),
                      .size = 32 << 20,
                      .writable = true};
        for (const auto& fd : spec.graph.fds) {
            ASSERT_EQ(::dup2(fd.parent.raw(), fd.child), fd.child);
            inherited_.emplace_back(fd.child);
        }
        auto opened = opened_.open({{"disks", Json::array({to_json(spec)})}});
        ASSERT_TRUE(opened) << render_text(opened.error());
        auto mounted = opened_.need_root({.name = "sda", .need_system = false, .writable = true});
        ASSERT_TRUE(mounted) << render_text(mounted.error());
        write(std::filesystem::path(opened_.tree->target()) / "new", std::string(1 << 20, 'x'));
    }
    void TearDown() override {
        [[maybe_unused]] auto closed = opened_.close();
        LoopTest::TearDown();
    }
    static void kill_child_named(std::string_view name) {
        auto children = sys::read_file(fmt::format("/proc/self/task/{}/children", ::getpid()));
        ASSERT_TRUE(children);
        for (auto child : split_words(*children)) {
            auto comm = sys::read_file(fmt::format("/proc/{}/comm", child));
            if (comm && trim(*comm) == name) {
                ASSERT_EQ(::kill(static_cast<pid_t>(*parse_number(child)), SIGKILL), 0);
                return;
            }
        }
        FAIL() << "no child " << name << " in " << *children;
    }

    static constexpr int first_fd = 100; // no other descriptor of this test is so high
    std::vector<sys::OwnedFd> inherited_;
    OpenedRoot opened_;
};

TEST_F(WritableRoot, ClosesWithoutAnErrorWhenAllWasWritten) {
    auto closed = opened_.close();
    EXPECT_TRUE(closed) << render_text(closed.error());
}

// An overlay that lacks writes must never be taken for a finished one.
TEST_F(WritableRoot, Trap5_CloseTellsWhenTheDaemonHasGone) {
    kill_child_named("qemu-storage-da");
    EXPECT_FALSE(opened_.close());
}

TEST_F(WritableRoot, Trap5_CloseTellsWhenTheProcessBeforeTheDaemonHasGone) {
    kill_child_named("slipway-fuse");
    EXPECT_FALSE(opened_.close());
}

// The filesystem had written all; what the devices below still held back must count too.
TEST_F(WritableRoot, Trap5_CloseTellsWhenItGoesAfterTheUnmount) {
    ASSERT_TRUE(opened_.tree->unmount());
    kill_child_named("slipway-fuse");
    EXPECT_FALSE(opened_.close());
}

} // namespace
} // namespace slipway::work
