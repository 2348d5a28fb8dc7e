// SPDX-License-Identifier: Apache-2.0
#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "sys/mount.hpp"

namespace slipway::sys {
namespace {

namespace fs = std::filesystem;

// A kernel under test may ask its machine's process, which has more rights, for any file.
TEST(OpenMount, WithoutDevicesNoneCanBeOpened) {
    auto directory = testing::TempDir() + "nodev-XXXXXX";
    ASSERT_NE(::mkdtemp(directory.data()), nullptr);
    fs::create_directory(directory + "/below");
    ASSERT_EQ(::mount("tmpfs", (directory + "/below").c_str(), "tmpfs", 0, nullptr), 0);
    for (const auto* place : {"", "/below"}) {
        std::ofstream(directory + place + "/file") << "text";
        ASSERT_EQ(::mknod((directory + place + "/null").c_str(), S_IFCHR | 0666, makedev(1, 3)), 0);
    }
    {
        auto shown = open_mount_without_devices(directory);
        ASSERT_TRUE(shown) << render_text(shown.error());
        for (const auto* place : {"", "/below"}) {
            auto path = proc_path(shown->raw()) + place;
            EXPECT_TRUE(open_file(directory + place + "/null", O_RDWR)) << place;
            EXPECT_EQ(open_file(path + "/null", O_RDWR).error().errno_value, EACCES) << place;
            EXPECT_EQ(read_file(path + "/file").value(), "text");
            EXPECT_TRUE(write_file(path + "/file", "new"));
        }
    }
    ::umount2((directory + "/below").c_str(), MNT_DETACH);
    fs::remove_all(directory);
}

} // namespace
} // namespace slipway::sys
