// SPDX-License-Identifier: Apache-2.0
#include "guest/initramfs.hpp"

#include <filesystem>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "guest/initramfs_cache.hpp"
#include "guest/module_tree.hpp"
#include "support/compressors.hpp"
#include "support/initramfs_guest.hpp"

namespace slipway::guest {
namespace {

using namespace testing_support;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::string identity(const std::string& content) {
    return content;
}

/// An image with these modules of a kernel, all or none of them in its index.
std::string image_with(const std::string& kernel, const std::vector<std::string>& names,
                       const std::string& builtin = "") {
    auto top = "usr/lib/modules/" + kernel;
    std::vector<archive::CpioEntry> entries{{"init", file_mode, "#!/bin/sh\n"},
                                            {"lib", S_IFLNK | 0777, "usr/lib"}};
    std::string dep;
    for (const auto& module : virtio_modules())
        if (std::find(names.begin(), names.end(), module.name) != names.end()) {
            entries.push_back({top + "/" + module.path, file_mode, module.content});
            dep += module.path + ":\n";
        }
    entries.push_back({top + "/modules.dep", file_mode, dep});
    entries.push_back({top + "/modules.builtin", file_mode, builtin});
    return must(archive::write_cpio(entries));
}

const std::vector<std::string> everything{"virtio",   "virtio_pci",  "virtio_blk",
                                          "scsi_mod", "virtio_scsi", "sd_mod"};

class ExamineKernels : public ::testing::Test {
protected:
    report::Kernel examine(const std::string& image, bool has_tree = true) {
        guest_.write("boot/initrd", image);
        if (has_tree && !std::filesystem::exists(guest_.path() + "/lib/modules/6.1"))
            write_module_tree(guest_, "6.1", "", identity);
        report::Kernel kernel{.version = "6.1",
                              .initramfs = "/boot/initrd",
                              .modules_dir = has_tree ? "/lib/modules/6.1" : ""};
        examine_kernel(kernel, must(sys::RootDir::open(guest_.path())), {.cache_dir = cache_});
        EXPECT_TRUE(kernel.examined);
        return kernel;
    }
    TemporaryDirectory guest_;
    std::string cache_;
};

TEST_F(ExamineKernels, ImageWithoutVirtioMissesItWithItsDependencies) {
    auto kernel = examine(image_with("6.1", {"scsi_mod", "sd_mod"}));
    EXPECT_FALSE(kernel.virtio_in_initramfs);
    EXPECT_THAT(kernel.missing_modules,
                ElementsAre("virtio", "virtio_blk", "virtio_pci", "virtio_scsi"));
    EXPECT_THAT(kernel.initramfs_error, IsEmpty());
}

TEST_F(ExamineKernels, ImageWithEverythingMissesNothing) {
    auto kernel = examine(image_with("6.1", everything));
    EXPECT_TRUE(kernel.virtio_in_initramfs);
    EXPECT_THAT(kernel.missing_modules, IsEmpty());
}

TEST_F(ExamineKernels, ModulesOfAnotherKernelDoNotCount) {
    auto kernel = examine(image_with("6.10", everything));
    EXPECT_FALSE(kernel.virtio_in_initramfs);
    EXPECT_EQ(kernel.missing_modules.size(), everything.size());
}

TEST_F(ExamineKernels, ModuleThatIsInsideButNotInTheIndexIsMissing) {
    auto image = image_with("6.1", everything);
    image += must(archive::write_cpio(
        {{"usr/lib/modules/6.1/modules.dep", file_mode, "kernel/drivers/virtio/virtio.ko:\n"}}));
    EXPECT_FALSE(examine(image).virtio_in_initramfs);
}

TEST_F(ExamineKernels, BuiltinDriversCountAsPresent) {
    write_module_tree(guest_, "6.1", "", identity);
    guest_.write("lib/modules/6.1/modules.dep",
                 "kernel/drivers/scsi/virtio-scsi.ko.xz: "
                 "kernel/drivers/scsi/scsi_mod.ko.xz\nkernel/drivers/scsi/scsi_mod.ko.xz:\n");
    guest_.write("lib/modules/6.1/modules.builtin",
                 "kernel/drivers/virtio/virtio-pci.ko\nkernel/drivers/block/virtio_blk.ko\n");
    auto kernel = examine(image_with("6.1", {}));
    EXPECT_FALSE(kernel.virtio_builtin) << "virtio_scsi is a module";
    EXPECT_THAT(kernel.missing_modules, ElementsAre("scsi_mod", "virtio_scsi"));
    guest_.write("lib/modules/6.1/modules.dep", "");
    kernel = examine(image_with("6.1", {}));
    EXPECT_TRUE(kernel.virtio_builtin);
    EXPECT_TRUE(kernel.virtio_in_initramfs);
}

TEST_F(ExamineKernels, KernelWithoutVirtioAtAllSaysSo) {
    write_module_tree(guest_, "6.1", "", identity);
    guest_.write("lib/modules/6.1/modules.dep", "kernel/drivers/ata/ahci.ko:\n");
    auto kernel = examine(image_with("6.1", {}));
    EXPECT_FALSE(kernel.virtio_in_initramfs);
    EXPECT_THAT(kernel.missing_modules, IsEmpty());
    EXPECT_THAT(kernel.initramfs_error, HasSubstr("no virtio_pci"));
}

TEST_F(ExamineKernels, WithoutModuleTreeTheImageDecides) {
    EXPECT_TRUE(
        examine(image_with("6.1-of-a-rescue-image", everything), false).virtio_in_initramfs);
    auto kernel = examine(image_with("6.1", {"virtio"}), false);
    EXPECT_FALSE(kernel.virtio_in_initramfs);
    EXPECT_THAT(kernel.initramfs_error, HasSubstr("no modules of this kernel"));
}

TEST_F(ExamineKernels, UnreadableImageIsReportedAndNoError) {
    EXPECT_THAT(examine("junk that is no image").initramfs_error,
                HasSubstr("neither a cpio archive"));
    EXPECT_THAT(examine("MZ\x90").initramfs_error, HasSubstr("UKI"));
}

TEST_F(ExamineKernels, Trap10_ImageBehindALinkOutOfTheGuestIsNotReadFromTheHost) {
    TemporaryDirectory host;
    host.write("initrd", image_with("6.1", everything));
    guest_.write("boot/x", "");
    std::filesystem::create_symlink(host.path() + "/initrd", guest_.path() + "/boot/initrd-link");
    write_module_tree(guest_, "6.1", "", identity);
    report::Kernel kernel{
        .version = "6.1", .initramfs = "/boot/initrd-link", .modules_dir = "/lib/modules/6.1"};
    examine_kernel(kernel, must(sys::RootDir::open(guest_.path())), {});
    EXPECT_FALSE(kernel.virtio_in_initramfs);
    EXPECT_THAT(kernel.initramfs_error, HasSubstr("opening"));
}

TEST_F(ExamineKernels, Trap2_EveryKernelIsExaminedInParallel) {
    report::Inventory inventory;
    for (const auto* version : {"5.14.0-70", "5.14.0-9", "0-rescue-1"}) {
        write_module_tree(guest_, version, "", identity);
        auto path = "boot/initrd-" + std::string(version);
        guest_.write(path, image_with(version, std::string_view(version) == "5.14.0-9"
                                                   ? everything
                                                   : std::vector<std::string>{}));
        inventory.kernels.push_back({.version = version,
                                     .initramfs = "/" + path,
                                     .modules_dir = "/lib/modules/" + std::string(version)});
    }
    examine_kernels(inventory, must(sys::RootDir::open(guest_.path())), {.threads = 8});
    EXPECT_FALSE(inventory.kernels[0].virtio_in_initramfs);
    EXPECT_TRUE(inventory.kernels[1].virtio_in_initramfs);
    EXPECT_FALSE(inventory.kernels[2].virtio_in_initramfs);
    for (const auto& kernel : inventory.kernels)
        EXPECT_TRUE(kernel.examined);
}

TEST_F(ExamineKernels, CacheAnswersForTheSameBytesAndNoOthers) {
    TemporaryDirectory cache;
    cache_ = cache.path() + "/new";
    auto image = image_with("6.1", everything);
    EXPECT_TRUE(examine(image).virtio_in_initramfs);
    ASSERT_FALSE(std::filesystem::is_empty(cache_));
    // Marked, to see that the second answer comes from the cache.
    for (const auto& entry : std::filesystem::directory_iterator(cache_))
        ASSERT_TRUE(sys::write_file(entry.path(), R"({"modules":[],"has_index":true})"));
    EXPECT_FALSE(examine(image).virtio_in_initramfs);
    EXPECT_TRUE(examine(image + std::string(4, '\0')).virtio_in_initramfs);
}

TEST_F(ExamineKernels, DamagedCacheIsReadOver) {
    TemporaryDirectory cache;
    cache_ = cache.path();
    auto image = image_with("6.1", everything);
    EXPECT_TRUE(examine(image).virtio_in_initramfs);
    for (const auto& entry : std::filesystem::directory_iterator(cache_))
        ASSERT_TRUE(sys::write_file(entry.path(), "{"));
    EXPECT_TRUE(examine(image).virtio_in_initramfs);
}

TEST(Digest, IsTheStandardOne) {
    // FIPS 180-4 example of SHA-512/256.
    EXPECT_EQ(must(digest_of(must(sys::make_memfd("abc", "abc")))),
              "53048e2681941ef99b2e29b76b4c7dabe4c2d0c634fc6d46e0e2f13107e7af23");
}

TEST(ModuleTree, NamesKnowNoDifferenceBetweenDashAndUnderscore) {
    EXPECT_EQ(module_name_of("kernel/drivers/virtio/virtio-pci.ko.zst"), "virtio_pci");
    EXPECT_EQ(module_name_of("kernel/x.ko.gz"), "x");
    for (const auto* other : {"modules.dep", "kernel/x.ko.bak", "kernel/.ko", "", "x.kox"})
        EXPECT_EQ(module_name_of(other), "") << other;
}

TEST(ModuleTree, ClosureFollowsDependenciesOnceEvenInACircle) {
    auto tree = ModuleTree::parse("a.ko: b.ko\nb.ko: a.ko c-1.ko\nc-1.ko:\nnonsense\n", "");
    EXPECT_THAT(tree.closure({"a", "unknown"}), ElementsAre("a", "b", "c_1"));
}

TEST(ModuleTree, AbsolutePathsOfOldDepmodsAreMadeRelative) {
    auto tree =
        ModuleTree::parse("/lib/modules/2.6.18/kernel/a.ko: /lib/modules/2.6.18/kernel/b.ko\n", "");
    ASSERT_NE(tree.path_of("a"), nullptr);
    EXPECT_EQ(*tree.path_of("a"), "kernel/a.ko");
}

} // namespace
} // namespace slipway::guest
