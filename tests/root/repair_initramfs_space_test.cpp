// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mount.h>

#include "guest/module_tree.hpp"
#include "repair/initramfs_segment.hpp"
#include "support/initramfs_guest.hpp"
#include "sys/mount.hpp"

namespace slipway::repair {
namespace {

using namespace testing_support;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

TEST(InitramfsSpace, FullBootIsNamedAndTheImageStays) {
    TemporaryDirectory guest;
    TemporaryDirectory scratch;
    write_module_tree(guest, "6.1", "", [](const std::string& content) { return content; });
    guest.write("boot/.keep", "");
    ASSERT_TRUE(sys::enter_private_mount_namespace());
    auto boot = guest.path() + "/boot";
    ASSERT_TRUE(
        sys::mount({.source = "tmpfs", .target = boot, .type = "tmpfs", .options = "size=3m"}));
    auto image = must(archive::write_cpio({{"usr/lib/modules/6.1/modules.dep", file_mode, ""},
                                           {"filler", file_mode, std::string(1500000, 'x')}}));
    guest.write("boot/initrd", image);

    sys::LocalRunner runner;
    auto record =
        append_initramfs_segment({.runner = &runner}, must(sys::RootDir::open(guest.path())),
                                 {.repair = "initramfs",
                                  .kind = report::ActionKind::AppendInitramfs,
                                  .path = "/boot/initrd",
                                  .kernel = "6.1",
                                  .modules = guest::virtio_disk_modules()},
                                 {.scratch_dir = scratch.path()});
    ASSERT_FALSE(record);
    EXPECT_EQ(record.error().code, Code::NoSpace);
    EXPECT_THAT(record.error().what, HasSubstr("/boot"));
    EXPECT_THAT(record.error().hint, HasSubstr("old kernels"));
    EXPECT_EQ(guest.read("boot/initrd"), image);
    ASSERT_TRUE(sys::unmount_tree(boot));
}

} // namespace
} // namespace slipway::repair
