// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "vm/accelerator.hpp"
#include "vm/probe_guest.hpp"

namespace slipway::vm {
namespace {

TEST(Accelerator, TheTestGuestRunsUnderTcg) {
    sys::LocalRunner runner;
    sys::Host host{.runner = &runner};
    auto verdict = prove_accelerator(host, "tcg");
    if (!verdict && verdict.error().code == Code::Unsupported)
        GTEST_SKIP() << render_text(verdict.error());
    ASSERT_TRUE(verdict) << render_text(verdict.error());
    EXPECT_EQ(verdict->name, "tcg");
    EXPECT_NE(verdict->reason.find("ran a test guest"), std::string::npos) << verdict->reason;
}

TEST(Accelerator, AnUnknownOneFallsBackWithAReason) {
    sys::LocalRunner runner;
    sys::Host host{.runner = &runner};
    auto verdict = prove_accelerator(host, "no-such-accelerator");
    if (!verdict && verdict.error().code == Code::Unsupported)
        GTEST_SKIP() << render_text(verdict.error());
    ASSERT_TRUE(verdict) << render_text(verdict.error());
    EXPECT_EQ(verdict->name, "tcg");
    EXPECT_NE(verdict->reason.find("failed on a test guest"), std::string::npos) << verdict->reason;
}

TEST(Accelerator, TheTestGuestIsABootSector) {
    auto disk = probe_guest_disk();
    ASSERT_EQ(disk.size(), 1U << 20);
    EXPECT_EQ(disk.substr(510, 2), "\x55\xaa");
}

} // namespace
} // namespace slipway::vm
