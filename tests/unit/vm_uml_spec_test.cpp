// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "vm/uml_spec.hpp"

namespace slipway::vm {
namespace {

using testing::Contains;
using testing::Not;

TEST(UmlSpec, ASandboxIsSilentAndHasNoDisksOfItsOwn) {
    auto argv = uml_argv({.init = "/worker", .init_arguments = {"--sandbox"}, .disk_fds = {10}});
    EXPECT_THAT(argv, Contains("loglevel=3"));
    EXPECT_THAT(argv, Contains("virtio_uml.device=slipway-10:2"));
    EXPECT_THAT(argv, Contains("ubd0=/proc/self/fd/4,,slipway-window"));
    EXPECT_THAT(argv, Not(Contains("printk.time=1")));
    EXPECT_EQ(argv[argv.size() - 3], "init=\"/worker\"");
    EXPECT_EQ(argv.back(), "--sandbox");
}

TEST(UmlSpec, AKernelUnderTestTellsMoreAndHasDisksWithSerialNumbers) {
    auto argv = uml_argv({.program = "/home/me/linux",
                          .ubds = {{40, "test"}, {41, "scratch"}},
                          .append = "  foo=1   bar ",
                          .loud = true,
                          .raid6 = true});
    EXPECT_EQ(argv.front(), "/home/me/linux");
    for (const auto* word : {"ubd1c=/proc/self/fd/40,,test", "ubd2c=/proc/self/fd/41,,scratch",
                             "foo=1", "bar", "printk.time=1", "loglevel=5"})
        EXPECT_THAT(argv, Contains(word));
}

} // namespace
} // namespace slipway::vm
