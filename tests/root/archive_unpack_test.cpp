// SPDX-License-Identifier: Apache-2.0
#include "archive/unpack.hpp"

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "support/archive_case.hpp"

namespace slipway::archive {
namespace {

namespace fs = std::filesystem;

class Unpack : public ArchiveCase {
protected:
    void write(const std::string& name, const std::string& text) const {
        std::ofstream(path(name)) << text;
    }
    void pack(const std::string& options) const {
        auto command = "tar -C " + path("from") + " -cf " + path("a.tar") + " " + options + " .";
        ASSERT_EQ(std::system(command.c_str()), 0);
    }
    // In a process of its own, whose root is "to": the number of incomplete entries, or 100 for
    // an error.
    [[nodiscard]] int unpack(const char* room = nullptr, const UnpackOptions& options = {}) const {
        auto archive = sys::open_file(path("a.tar"), O_RDONLY);
        auto size = fs::file_size(path("a.tar"));
        auto child = ::fork();
        if (child == 0) {
            if (room != nullptr && (::unshare(CLONE_NEWNS) != 0 ||
                                    ::mount("", "/", "", MS_REC | MS_PRIVATE, nullptr) != 0 ||
                                    ::mount("tmpfs", path("to").c_str(), "tmpfs", 0, room) != 0))
                ::_exit(102);
            if (::chroot(path("to").c_str()) != 0 || ::chdir("/") != 0)
                ::_exit(101);
            ::umask(0);
            auto done = unpack_here(*archive, size, options);
            ::_exit(done ? static_cast<int>(done->incomplete) : 100);
        }
        int status = 0;
        ::waitpid(child, &status, 0);
        return WEXITSTATUS(status);
    }
};

TEST_F(Unpack, KeepsExtendedAttributesAndFileCapabilities) {
    write("from/file", "x");
    // cap_net_raw=ep, as setcap(8) writes it: linux/capability.h, struct vfs_cap_data, revision 2
    const std::string capability("\x01\x00\x00\x02\x00\x20\x00\x00\x00\x00\x00\x00"
                                 "\x00\x00\x00\x00\x00\x00\x00\x00",
                                 20);
    ASSERT_EQ(::setxattr(path("from/file").c_str(), "user.colour", "blue", 4, 0), 0);
    ASSERT_EQ(::setxattr(path("from/file").c_str(), "security.capability", capability.data(),
                         capability.size(), 0),
              0);
    pack("--xattrs '--xattrs-include=*'");
    EXPECT_EQ(unpack(), 0);
    std::string value(100, '\0');
    auto size = ::getxattr(path("to/file").c_str(), "user.colour", value.data(), value.size());
    ASSERT_EQ(size, 4);
    EXPECT_EQ(value.substr(0, 4), "blue");
    size = ::getxattr(path("to/file").c_str(), "security.capability", value.data(), value.size());
    ASSERT_EQ(size, 20);
    EXPECT_EQ(value.substr(0, 20), capability);
}

TEST_F(Unpack, LeavesDevicesOutThatAreNotForEverybody) {
    ASSERT_EQ(::mknod(path("from/null").c_str(), S_IFCHR | 0666, makedev(1, 3)), 0);
    ASSERT_EQ(::mknod(path("from/mem").c_str(), S_IFCHR | 0666, makedev(1, 1)), 0);
    ASSERT_EQ(::mknod(path("from/disk").c_str(), S_IFBLK | 0666, makedev(1, 3)), 0);
    write("from/file", "x");
    pack("");
    EXPECT_EQ(unpack(nullptr, {.harmless_devices = true}), 0);
    EXPECT_EQ(look_at("to/null").st_rdev, makedev(1, 3));
    EXPECT_TRUE(fs::exists(path("to/file")));
    EXPECT_FALSE(fs::exists(path("to/mem")));
    EXPECT_FALSE(fs::exists(path("to/disk")));
}

TEST_F(Unpack, KeepsOwnersModesTimesAndDirectoriesThatNobodyMayWrite) {
    fs::create_directory(path("from/closed"));
    write("from/closed/file", "x");
    ASSERT_EQ(::chown(path("from/closed/file").c_str(), 1234, 5678), 0);
    ASSERT_EQ(::chmod(path("from/closed/file").c_str(), 06751), 0);
    ASSERT_EQ(::chmod(path("from/closed").c_str(), 0500), 0);
    ASSERT_EQ(::chmod(path("from").c_str(), 0751), 0);
    pack("--format=pax");
    auto original = look_at("from/closed");
    EXPECT_EQ(unpack(), 0);
    auto file = look_at("to/closed/file");
    EXPECT_EQ(file.st_uid, 1234U);
    EXPECT_EQ(file.st_gid, 5678U);
    EXPECT_EQ(file.st_mode & 07777, 06751U);
    auto directory = look_at("to/closed");
    EXPECT_EQ(directory.st_mode & 07777, 0500U);
    EXPECT_EQ(directory.st_mtim.tv_sec, original.st_mtim.tv_sec);
    EXPECT_EQ(look_at("to").st_mode & 07777, 0751U);
}

TEST_F(Unpack, LaterEntriesReplaceEarlierOnesAndGoThroughLinks) {
    fs::create_directory(path("from/real"));
    write("from/real/file", "first");
    fs::create_directory_symlink("real", path("from/link"));
    pack("");
    write("from/real/file", "second");
    auto append = "cd " + path("from") + " && tar -rf ../a.tar ./real/file";
    ASSERT_EQ(std::system(append.c_str()), 0);
    EXPECT_EQ(unpack(), 0);
    std::ifstream file(path("to/link/file"));
    std::string text;
    file >> text;
    EXPECT_EQ(text, "second");
}

TEST_F(Unpack, ACutOffArchiveIsAnError) {
    write("from/file", std::string(100'000, 'x'));
    pack("");
    fs::resize_file(path("a.tar"), 50'000);
    EXPECT_EQ(unpack(), 100);
}

// The name and the length fit; libarchive only warns of what does not.
TEST_F(Unpack, ContentThatDoesNotFitIsAnError) {
    write("from/file", std::string(4'000'000, 'x'));
    pack("");
    EXPECT_EQ(unpack("size=1m"), 100);
    EXPECT_EQ(unpack("size=8m"), 0);
}

} // namespace
} // namespace slipway::archive
