// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "sys/confine.hpp"
#include "sys/process.hpp"

namespace slipway::sys {
namespace {

// Numbers that the child wants are taken here, the ruleset's among them.
TEST(Process, ConfinementOutlivesTheDescriptorsOfTheChild) {
    auto null = open_file("/dev/null", O_RDONLY);
    ASSERT_TRUE(null);
    LocalRunner runner;
    ProcessSpec spec{.argv = {"/bin/cat", "/etc/hostname"}};
    for (int number = 3; number < 60; ++number)
        spec.fds.push_back({*null, number});
    spec.confinement = Confinement{.read_paths = {"/usr", "/lib", "/lib64", "/bin", "/dev"}};
    auto captured = run(runner, spec);
    ASSERT_TRUE(captured) << render_text(captured.error());
    if (landlock_abi() > 0) {
        EXPECT_EQ(captured->status, 1) << "what is not allowed was read";
    }
}

TEST(Process, VariablesThatAreGivenReplaceTheUsualOnes) {
    LocalRunner runner;
    auto captured = run(runner, {.argv = {"/usr/bin/env"}, .env = {"X=1", "PATH=/bin:/mine"}});
    ASSERT_TRUE(captured) << render_text(captured.error());
    EXPECT_EQ(captured->out, "X=1\nPATH=/bin:/mine\nLC_ALL=C.UTF-8\n");
}

} // namespace
} // namespace slipway::sys
