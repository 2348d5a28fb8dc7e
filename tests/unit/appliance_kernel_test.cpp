// SPDX-License-Identifier: Apache-2.0
#include <filesystem>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "appliance/kernel.hpp"
#include "appliance/kernel_modules.hpp"
#include "sys/fd.hpp"

namespace slipway::appliance {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

// Documentation/x86/boot.rst: the magic at 0x202, at 0x20E the text's offset less 0x200.
std::string kernel_with(std::string_view version, std::size_t at = 0x3000) {
    std::string head(0x8000, '\0');
    head.replace(0x202, 4, "HdrS");
    auto pointer = at - 0x200;
    head[0x20E] = static_cast<char>(pointer & 0xff);
    head[0x20F] = static_cast<char>(pointer >> 8);
    if (at + version.size() <= head.size())
        head.replace(at, version.size(), version);
    return head;
}

TEST(KernelRelease, IsTheFirstWordOfTheVersion) {
    EXPECT_EQ(*parse_kernel_release(kernel_with("6.1.0-56-cloud-amd64 (debian) #1 SMP")),
              "6.1.0-56-cloud-amd64");
    EXPECT_EQ(*parse_kernel_release(kernel_with("6.1.0")), "6.1.0");
}

TEST(KernelRelease, OfSomethingElseIsRefused) {
    for (const auto& head :
         {std::string(), std::string(0x300, 'x'), kernel_with(""), kernel_with("../../etc #1"),
          kernel_with("..", 0x400), kernel_with(std::string(100, '6')), kernel_with("6\n1"),
          kernel_with("6.1.0", 0x9000), kernel_with("6.1.0").substr(0, 0x20F)}) {
        auto release = parse_kernel_release(head);
        ASSERT_FALSE(release);
        EXPECT_EQ(release.error().code, Code::Corrupt);
    }
}

class NamedKernel : public testing::Test {
protected:
    void SetUp() override {
        directory_ = testing::TempDir() + "/slipway-kernel";
        std::filesystem::remove_all(directory_);
        std::filesystem::create_directories(directory_ + "/boot");
        std::filesystem::create_directories(directory_ + "/lib/modules/6.1.0-1");
        ASSERT_TRUE(sys::write_file(file(), kernel_with("6.1.0-1 x")));
    }
    [[nodiscard]] std::string file() const { return directory_ + "/boot/vmlinuz"; }
    void make_modules(const std::string& where) const {
        std::filesystem::create_directories(directory_ + where);
        ASSERT_TRUE(sys::write_file(directory_ + where + "/modules.dep", ""));
    }
    std::string directory_;
};

TEST_F(NamedKernel, HasItsModulesBesideIt) {
    make_modules("/lib/modules/6.1.0-1");
    auto kernel = find_kernel({.file = file()});
    ASSERT_TRUE(kernel);
    EXPECT_EQ(kernel->release, "6.1.0-1");
    EXPECT_EQ(kernel->modules, directory_ + "/boot/../lib/modules/6.1.0-1");
}

TEST_F(NamedKernel, HasItsModulesWhereTheUserSays) {
    make_modules("/elsewhere/6.1.0-1");
    for (const auto* place : {"/elsewhere", "/elsewhere/6.1.0-1"}) {
        auto kernel = find_kernel({.file = file(), .modules = directory_ + place});
        ASSERT_TRUE(kernel);
        EXPECT_EQ(kernel->modules, directory_ + "/elsewhere/6.1.0-1");
    }
}

TEST_F(NamedKernel, WithoutModulesIsAnErrorThatSaysWhereTheyWereSought) {
    auto kernel = find_kernel({.file = file()});
    ASSERT_FALSE(kernel);
    EXPECT_EQ(kernel.error().code, Code::NotFound);
    EXPECT_THAT(kernel.error().what, HasSubstr("/lib/modules/6.1.0-1"));
    EXPECT_THAT(kernel.error().hint, HasSubstr("SLIPWAY_SANDBOX_MODULES"));
    EXPECT_EQ(find_kernel({.file = directory_ + "/none"}).error().code, Code::NotFound);
}

TEST(Modules, HaveOneNameHoweverTheyAreWritten) {
    EXPECT_EQ(module_name("kernel/drivers/md/dm-mod.ko.xz"), "dm_mod");
    EXPECT_EQ(module_name("dm-mod"), "dm_mod");
}

TEST(Modules, ComeWithAllThatTheyDependOn) {
    constexpr std::string_view text =
        "kernel/fs/ext4/ext4.ko: kernel/fs/mbcache.ko kernel/fs/jbd2/jbd2.ko\n"
        "kernel/fs/mbcache.ko:\n"
        "kernel/fs/jbd2/jbd2.ko:\n"
        "kernel/drivers/md/dm-mod.ko:\n"
        "no colon\n"
        "kernel/fs/other.ko: kernel/fs/mbcache.ko\n";
    constexpr std::string_view wanted[] = {"ext4", "dm_mod", "built_in"};
    EXPECT_THAT(module_closure(text, wanted),
                ElementsAre("kernel/drivers/md/dm-mod.ko", "kernel/fs/ext4/ext4.ko",
                            "kernel/fs/jbd2/jbd2.ko", "kernel/fs/mbcache.ko"));
}

} // namespace
} // namespace slipway::appliance
