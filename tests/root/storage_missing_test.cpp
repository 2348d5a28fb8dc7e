// SPDX-License-Identifier: Apache-2.0
// What a kernel without device-mapper says. Needs root; the real thing is in tests/storage.
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "storage/device_mapper.hpp"
#include "storage/stack.hpp"
#include "sys/loop_device.hpp"
#include "sys/mount.hpp"

namespace slipway::storage {
namespace {

using testing::HasSubstr;

TEST(StorageMissing, ContainersAreToldWithTheRemedy) {
    if (::geteuid() != 0)
        GTEST_SKIP() << "not root";
    auto disk = sys::make_memfd("disk", std::string(1 << 20, '\0'));
    ASSERT_TRUE(disk);
    auto loop = sys::LoopDevice::attach(*disk, {.read_only = false, .direct_io = false});
    ASSERT_TRUE(loop) << render_text(loop.error());
    // Nothing may be left in the host's /dev.
    ASSERT_TRUE(sys::enter_private_mount_namespace());
    ASSERT_TRUE(sys::mount({.source = "x", .target = "/dev", .type = "tmpfs"}));
    ASSERT_EQ(::mknod("/dev/null", S_IFCHR | 0666, makedev(1, 3)), 0);
    ASSERT_EQ(::mknod("/dev/vda", S_IFBLK | 0600, loop->disk().device()), 0);
    if (need_device_mapper("LVM"))
        GTEST_SKIP() << "this kernel has device-mapper: tests/storage covers it";

    sys::LocalRunner runner;
    Devices devices{{.volume = {.name = "sda", .type = "LVM2_member"}, .node = "/dev/vda"},
                    {.volume = {.name = "sdb", .type = "crypto_LUKS"}, .node = "/dev/vda"},
                    {.volume = {.name = "sdc", .type = "zfs_member"}, .node = "/dev/vda"}};
    auto stack = Stack::open({.runner = &runner}, std::move(devices), {});
    ASSERT_TRUE(stack) << render_text(stack.error());
    EXPECT_TRUE(stack->volumes().empty());
    ASSERT_EQ(stack->unopened().size(), 3U);
    for (const auto& each : stack->unopened())
        EXPECT_EQ(each.error.code, Code::Unsupported) << each.error.what;
    EXPECT_EQ(stack->unopened()[0].volume, "sdb");
    EXPECT_THAT(stack->unopened()[1].error.what,
                HasSubstr("no LVM here: this kernel has no device-mapper"));
    EXPECT_THAT(stack->unopened()[1].error.hint, HasSubstr("--engine sandbox"));
    EXPECT_EQ(stack->findings().size(), 3U);
    EXPECT_TRUE(stack->close());
}

} // namespace
} // namespace slipway::storage
