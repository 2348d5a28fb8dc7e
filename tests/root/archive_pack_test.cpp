// SPDX-License-Identifier: Apache-2.0
#include "archive/pack.hpp"

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "support/archive_case.hpp"

namespace slipway::archive {
namespace {

namespace fs = std::filesystem;

class Pack : public ArchiveCase {
protected:
    void write(const std::string& name, const std::string& text) const {
        std::ofstream(path("from/" + name)) << text;
    }
    // What GNU tar makes of our archive is in "to".
    [[nodiscard]] std::uint64_t pack_and_unpack(const PackOptions& options = {}) const {
        auto directory = sys::open_file(path("from"), O_RDONLY | O_DIRECTORY);
        auto archive = sys::open_file(path("a.tar"), O_WRONLY | O_CREAT, 0600);
        auto packed = pack_directory(
            *directory,
            [&archive](std::string_view bytes) { return sys::write_all(*archive, bytes); },
            options);
        EXPECT_TRUE(packed) << render_text(packed.error());
        auto command = "tar -C " + path("to") + " --xattrs --xattrs-include='*' --acls -xpf " +
                       path("a.tar") + " 2>&1";
        EXPECT_EQ(std::system(command.c_str()), 0);
        return packed.value_or(0);
    }
};

} // namespace

TEST_F(Pack, KeepsWhatATreeIsMadeOf) {
    write("plain", "hello");
    ASSERT_EQ(::chown(path("from/plain").c_str(), 1000, 1001), 0);
    ASSERT_EQ(::chmod(path("from/plain").c_str(), 04751), 0);
    ASSERT_EQ(::setxattr(path("from/plain").c_str(), "user.note", "x", 1, 0), 0);
    timespec times[2] = {{5, 0}, {1234567, 891000000}};
    ASSERT_EQ(::utimensat(AT_FDCWD, path("from/plain").c_str(), times, 0), 0);
    fs::create_directories(path("from/d/empty"));
    fs::create_hard_link(path("from/plain"), path("from/d/same"));
    fs::create_symlink("/etc/shadow", path("from/link"));
    ASSERT_EQ(::mknod(path("from/null").c_str(), S_IFCHR | 0666, makedev(1, 3)), 0);
    ASSERT_EQ(::mkfifo(path("from/fifo").c_str(), 0600), 0);
    write("name with \n and \xff", "odd");
    EXPECT_EQ(pack_and_unpack(), 9U);
    auto plain = look_at("to/plain");
    EXPECT_EQ(plain.st_uid, 1000U);
    EXPECT_EQ(plain.st_gid, 1001U);
    EXPECT_EQ(plain.st_mode & 07777, 04751U);
    EXPECT_EQ(plain.st_mtim.tv_sec, 1234567);
    EXPECT_EQ(plain.st_mtim.tv_nsec, 891000000);
    EXPECT_EQ(plain.st_ino, look_at("to/d/same").st_ino);
    char note = 0;
    EXPECT_EQ(::getxattr(path("to/plain").c_str(), "user.note", &note, 1), 1);
    EXPECT_EQ(fs::read_symlink(path("to/link")), "/etc/shadow");
    EXPECT_EQ(look_at("to/null").st_rdev, makedev(1, 3));
    EXPECT_TRUE(S_ISFIFO(look_at("to/fifo").st_mode));
    EXPECT_TRUE(fs::is_directory(path("to/d/empty")));
    EXPECT_TRUE(fs::exists(path("to/name with \n and \xff")));
}

TEST_F(Pack, LeavesOutWhatOnlyRootOfAHostCanSet) {
    write("file", "x");
    for (const auto* name : {"user.a", "trusted.overlay.opaque", "security.b"})
        ASSERT_EQ(::setxattr(path("from/file").c_str(), name, "y", 1, 0), 0) << name;
    auto has = [this](const char* name) {
        return ::getxattr(path("to/file").c_str(), name, nullptr, 0) == 1;
    };
    static_cast<void>(pack_and_unpack({.privileged = false}));
    EXPECT_TRUE(has("user.a"));
    EXPECT_FALSE(has("trusted.overlay.opaque"));
    EXPECT_FALSE(has("security.b"));
    static_cast<void>(pack_and_unpack());
    EXPECT_TRUE(has("trusted.overlay.opaque"));
}

// An archive of the same tree is the same whenever it is read.
TEST_F(Pack, OfTimesItKeepsThatOfTheContentWithPartsOfSeconds) {
    write("plain", "hello");
    write("noted", "hello");
    ASSERT_EQ(::setxattr(path("from/noted").c_str(), "user.note", "x", 1, 0), 0);
    auto set_times = [this](long read_at) {
        timespec times[2] = {{read_at, 0}, {1234567, 891000000}};
        for (const auto* name : {"from/plain", "from/noted", "from"})
            ASSERT_EQ(::utimensat(AT_FDCWD, path(name).c_str(), times, 0), 0);
    };
    set_times(5);
    static_cast<void>(pack_and_unpack());
    EXPECT_EQ(look_at("to/plain").st_mtim.tv_sec, 1234567);
    EXPECT_EQ(look_at("to/plain").st_mtim.tv_nsec, 891000000);
    fs::rename(path("a.tar"), path("first.tar"));
    set_times(6);
    static_cast<void>(pack_and_unpack());
    EXPECT_EQ(std::system(("cmp " + path("first.tar") + " " + path("a.tar")).c_str()), 0);
}

TEST_F(Pack, KeepsHoles) {
    write("sparse", "begin");
    ASSERT_EQ(::truncate(path("from/sparse").c_str(), 64 << 20), 0);
    std::ofstream(path("from/sparse"), std::ios::in | std::ios::out | std::ios::ate) << "end";
    static_cast<void>(pack_and_unpack());
    auto size = std::uintmax_t{64 << 20} + 3;
    EXPECT_EQ(fs::file_size(path("to/sparse")), size);
    EXPECT_LT(fs::file_size(path("a.tar")), 1U << 20);
    EXPECT_EQ(std::system(("cmp " + path("from/sparse") + " " + path("to/sparse")).c_str()), 0);
}

TEST_F(Pack, LeavesSocketsOut) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path("from/socket").copy(address.sun_path, sizeof address.sun_path - 1);
    sys::OwnedFd socket(::socket(AF_UNIX, SOCK_STREAM, 0));
    ASSERT_EQ(::bind(socket.raw(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    EXPECT_EQ(pack_and_unpack(), 1U);
}

// A relative name of the tree must not be looked up in this process's own directory.
TEST_F(Pack, TakesAclsFromTheTreeAlone) {
    fs::create_directory(path("elsewhere"));
    fs::create_directory(path("elsewhere/d"));
    fs::create_directory(path("from/d"));
    auto set = "setfacl -d -m u:4711:rwx " + path("elsewhere/d");
    if (std::system("command -v setfacl >/dev/null") != 0)
        GTEST_SKIP() << "setfacl is not installed";
    ASSERT_EQ(std::system(set.c_str()), 0);
    auto before = fs::current_path();
    fs::current_path(path("elsewhere"));
    static_cast<void>(pack_and_unpack());
    fs::current_path(before);
    EXPECT_EQ(::getxattr(path("to/d").c_str(), "system.posix_acl_default", nullptr, 0), -1);
}

TEST_F(Pack, EndsWithTheErrorOfItsReader) {
    write("plain", std::string(2 << 20, 'x'));
    auto directory = sys::open_file(path("from"), O_RDONLY | O_DIRECTORY);
    auto packed = pack_directory(
        *directory, [](std::string_view) -> Status { return fail(Code::Cancelled, "enough"); });
    ASSERT_FALSE(packed);
    EXPECT_EQ(packed.error().what, "enough");
}

TEST_F(Pack, RefusesADepthWithoutEnd) {
    auto at = sys::open_file(path("from"), O_RDONLY | O_DIRECTORY);
    for (int i = 0; i < 600; ++i) {
        ASSERT_EQ(::mkdirat(at->raw(), "d", 0755), 0);
        at = sys::open_at(*at, "d", O_RDONLY | O_DIRECTORY);
    }
    auto directory = sys::open_file(path("from"), O_RDONLY | O_DIRECTORY);
    auto packed = pack_directory(*directory, [](std::string_view) { return Status{}; });
    ASSERT_FALSE(packed);
    EXPECT_EQ(packed.error().code, Code::Unsupported);
}

} // namespace slipway::archive
