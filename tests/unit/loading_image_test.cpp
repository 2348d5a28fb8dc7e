// SPDX-License-Identifier: Apache-2.0
#include "loading/image.hpp"

#include <filesystem>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/utsname.h>

#include "support/elf_header.hpp"

namespace slipway::loading {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using testing_support::elf_header;
using namespace std::string_view_literals;

std::string with(std::size_t at, std::string_view bytes) {
    std::string head(head_size, '\0');
    head.replace(at, bytes.size(), bytes);
    return head;
}

TEST(ImageFormats, ByContent) {
    auto format = [](std::size_t at, std::string_view bytes) {
        return identify_image(with(at, bytes)).value();
    };
    EXPECT_EQ(format(0, "hsqs"), ImageFormat::Squashfs);
    EXPECT_EQ(format(1024, "\xe2\xe1\xf5\xe0"), ImageFormat::Erofs);
    EXPECT_EQ(format(1080, "\x53\xef"), ImageFormat::Ext4);
    EXPECT_EQ(format(0, "XFSB"), ImageFormat::Xfs);
    EXPECT_EQ(format(65600, "_BHRfS_M"), ImageFormat::Btrfs);
    EXPECT_EQ(format(257, "ustar"), ImageFormat::Tar);
    EXPECT_EQ(format(510, "\x55\xaa"), ImageFormat::Disk);
    EXPECT_EQ(format(512, "EFI PART"), ImageFormat::Disk);
    EXPECT_EQ(format(4096, "EFI PART"), ImageFormat::Disk);
    EXPECT_EQ(format(0, "\x1f\x8b"), ImageFormat::Tar);
    EXPECT_EQ(format(0, "\xfd"
                        "7zXZ\0"sv),
              ImageFormat::Tar);
    EXPECT_EQ(format(0, "\x28\xb5\x2f\xfd"), ImageFormat::Tar);
}

TEST(ImageFormats, WhatIsNoneIsNamed) {
    auto why = [](const std::string& head) {
        auto format = identify_image(head);
        return format ? "it was taken" : render_text(format.error());
    };
    EXPECT_THAT(why(with(0, "QFI\xfb")), HasSubstr("a qcow2 disk\n  try: `slipway netboot serve`"));
    EXPECT_THAT(why(with(32769, "CD001")), HasSubstr("an ISO image"));
    EXPECT_THAT(why("<!DOCTYPE html><html>"), HasSubstr("a web page"));
    EXPECT_THAT(why(""), HasSubstr("no format that is known"));
    EXPECT_THAT(why("hsq"), HasSubstr("no format that is known"));
}

TEST(ImageFormats, WhatIsCutOffIsTold) {
    struct Case {
        ImageFormat format;
        std::size_t at;
        std::string_view bytes;
        std::uint64_t size;
    };
    for (const auto& [format, at, bytes, size] :
         {Case{ImageFormat::Squashfs, 40, "\x00\x00\x10\x00\x00\x00\x00\x00"sv, 1 << 20},
          Case{ImageFormat::Erofs, 1024 + 36, "\x02\x00\x00\x00"sv, 2},
          Case{ImageFormat::Ext4, 1024 + 4, "\x05\x00\x00\x00"sv, 5 << 10},
          Case{ImageFormat::Xfs, 8, "\x00\x00\x00\x00\x00\x00\x00\x03"sv, 3}}) {
        auto head = with(at, bytes);
        EXPECT_TRUE(check_whole(head, format, size)) << name_of(format);
        EXPECT_THAT(render_line(check_whole(head, format, size - 1).error()), HasSubstr("cut off"))
            << name_of(format);
    }
    EXPECT_TRUE(check_whole("hsqs", ImageFormat::Squashfs, 4));
}

class Inits : public testing::Test {
protected:
    void SetUp() override {
        std::string name = "/var/tmp/slipway-init-XXXXXX";
        ASSERT_NE(::mkdtemp(name.data()), nullptr);
        top_ = name;
    }
    void TearDown() override { fs::remove_all(top_); }
    void put(const std::string& path, const std::string& content, mode_t mode = 0755) const {
        fs::create_directories((top_ / path).parent_path());
        std::ofstream(top_ / path) << content;
        ::chmod((top_ / path).c_str(), mode);
    }
    fs::path top_;
};

TEST_F(Inits, IsFoundThroughLinksOfTheImage) {
    fs::copy_file("/proc/self/exe", top_ / "program");
    put("usr/lib/systemd/systemd", "");
    fs::copy_file("/proc/self/exe", top_ / "usr/lib/systemd/systemd",
                  fs::copy_options::overwrite_existing);
    fs::create_directories(top_ / "sbin");
    fs::create_symlink("/usr/lib/systemd/systemd", top_ / "sbin/init");
    EXPECT_EQ(find_init(top_).value(), "/sbin/init");
}

TEST_F(Inits, IsNotFoundOutsideOfTheImage) {
    fs::create_directories(top_ / "sbin");
    fs::create_symlink("../../../../../../../../bin/sh", top_ / "sbin/init");
    put("init", "#!/bin/sh\n", 0644);
    auto init = find_init(top_);
    ASSERT_FALSE(init);
    EXPECT_EQ(init.error().code, Code::NotFound);
    put("bin/init", "#!/bin/sh\n");
    EXPECT_EQ(find_init(top_).value(), "/bin/init");
}

TEST_F(Inits, OfAnotherArchitectureIsRefused) {
    utsname kernel{};
    ::uname(&kernel);
    bool is_arm = kernel.machine == "aarch64"sv;
    put("sbin/init", elf_header(ELFCLASS64, ELFDATA2LSB, is_arm ? EM_X86_64 : EM_AARCH64));
    auto init = find_init(top_);
    ASSERT_FALSE(init);
    EXPECT_EQ(init.error().code, Code::Unsupported);
    EXPECT_THAT(init.error().what, HasSubstr(is_arm ? "for x86_64" : "for aarch64"));
    put("sbin/init", elf_header(ELFCLASS64, ELFDATA2LSB, EM_SPARC));
    EXPECT_THAT(find_init(top_).error().what, HasSubstr("for another machine"));
}

TEST_F(Inits, SystemdTellsItsVersionByItsLibrary) {
    EXPECT_EQ(systemd_version(top_), 0U);
    put("usr/lib/systemd/systemd", "");
    EXPECT_EQ(systemd_version(top_), 0U);
    put("usr/lib/x86_64-linux-gnu/systemd/libsystemd-shared-252.so", "");
    EXPECT_EQ(systemd_version(top_), 252U);
    put("usr/lib/systemd/libsystemd-shared-257.4-1.fc42.so", "");
    EXPECT_EQ(systemd_version(top_), 257U);
}

} // namespace
} // namespace slipway::loading
