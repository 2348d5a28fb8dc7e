// SPDX-License-Identifier: Apache-2.0
#include "repair/initramfs_segment.hpp"

#include <algorithm>
#include <filesystem>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "guest/initramfs.hpp"
#include "guest/module_tree.hpp"
#include "support/compressors.hpp"
#include "support/initramfs_guest.hpp"

namespace slipway::repair {
namespace {

using namespace testing_support;
using archive::Compression;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::IsSupersetOf;
using ::testing::Key;
using ::testing::Not;
using ::testing::Pair;
using Entries = std::vector<archive::CpioEntry>;

constexpr auto version = "6.1.0-9-amd64";
const std::string inside = std::string("usr/lib/modules/") + version + "/";

/// A usr-merged image with the SCSI modules, their index, and whatever is added.
Entries base_entries(const std::string& suffix = "") {
    Entries entries{{"usr", directory_mode},
                    {"lib", S_IFLNK | 0777, "usr/lib"},
                    {"init", file_mode, "#!/bin/sh\n"},
                    {inside + "kernel/drivers/scsi", directory_mode}};
    for (const auto& module : virtio_modules())
        if (module.name == "scsi_mod" || module.name == "sd_mod")
            entries.push_back(
                {inside + module.path + suffix, file_mode,
                 suffix.empty() ? module.content : pack(Compression::Gzip, module.content)});
    auto scsi = "kernel/drivers/scsi/scsi_mod.ko" + suffix;
    entries.push_back({inside + "modules.dep", file_mode,
                       scsi + ":\nkernel/drivers/scsi/sd_mod.ko" + suffix + ": " + scsi + "\n"});
    entries.push_back({inside + "modules.builtin", file_mode, "kernel/fs/ext4/ext4.ko\n"});
    return entries;
}

std::string cpio(const Entries& entries) {
    return must(archive::write_cpio(entries));
}

class AppendSegment : public ::testing::Test {
protected:
    AppendSegment() { use_tree(""); }
    void use_tree(const std::string& suffix, Compression compression = Compression::None) {
        write_module_tree(guest_, version, suffix,
                          [&](const std::string& content) { return pack(compression, content); });
    }
    Result<SegmentRecord> append(const std::string& path = "/boot/initrd",
                                 const std::string& kernel = version) {
        report::Kernel examined{
            .version = kernel, .initramfs = path, .modules_dir = "/lib/modules/" + kernel};
        auto root = must(sys::RootDir::open(guest_.path()));
        guest::examine_kernel(examined, root, {});
        auto modules = modules_.empty() ? examined.missing_modules : modules_;
        sys::Host host{.runner = &runner_, .log = {}, .cancel = cancel_};
        return append_initramfs_segment(host, root,
                                        {.repair = "initramfs",
                                         .kind = report::ActionKind::AppendInitramfs,
                                         .path = path,
                                         .kernel = kernel,
                                         .modules = modules,
                                         .files = files_},
                                        {.scratch_dir = scratch_.path()});
    }
    report::Kernel examine(const std::string& path = "/boot/initrd") {
        report::Kernel kernel{.version = version,
                              .initramfs = path,
                              .modules_dir = std::string("/lib/modules/") + version};
        guest::examine_kernel(kernel, must(sys::RootDir::open(guest_.path())), {});
        return kernel;
    }
    std::string image() { return guest_.read("boot/initrd"); }
    std::map<std::string, std::string> contents() {
        return read_image(guest_.path() + "/boot/initrd");
    }

    TemporaryDirectory guest_;
    TemporaryDirectory scratch_;
    sys::LocalRunner runner_;
    Cancel cancel_;
    std::vector<std::string> modules_; ///< instead of the missing ones
    std::map<std::string, std::string> files_;
};

class AppendAfter : public AppendSegment, public ::testing::WithParamInterface<Compression> {};

TEST_P(AppendAfter, VirtioIsInsideAndTheOldBytesStay) {
    auto before = pack(GetParam(), cpio(base_entries()));
    guest_.write("boot/initrd", before);
    auto record = append();
    ASSERT_TRUE(record) << render_text(record.error());
    EXPECT_THAT(record->modules, ElementsAre("virtio", "virtio_blk", "virtio_pci", "virtio_scsi"));
    EXPECT_EQ(record->compression,
              GetParam() == Compression::Lz4Legacy ? Compression::Lz4Legacy : Compression::None);
    EXPECT_TRUE(image().starts_with(before));
    EXPECT_EQ(image().size(), before.size() + record->size);
    auto kernel = examine();
    EXPECT_TRUE(kernel.virtio_in_initramfs) << kernel.initramfs_error;
    EXPECT_TRUE(std::filesystem::is_empty(scratch_.path()));
}
INSTANTIATE_TEST_SUITE_P(Segment, AppendAfter,
                         ::testing::Values(Compression::None, Compression::Gzip, Compression::Bzip2,
                                           Compression::Lzma, Compression::Xz,
                                           Compression::Lz4Legacy, Compression::Zstd),
                         [](const auto& test) {
                             return std::string(archive::name_of(test.param));
                         });

TEST_F(AppendSegment, AfterLz4AndPaddingAPlainArchiveIsRight) {
    guest_.write("boot/initrd",
                 pack(Compression::Lz4Legacy, cpio(base_entries())) + std::string(5, '\0'));
    auto record = append();
    ASSERT_TRUE(record) << render_text(record.error());
    EXPECT_EQ(record->compression, Compression::None);
    EXPECT_TRUE(examine().virtio_in_initramfs);
}

TEST_F(AppendSegment, SecondRunWritesNothing) {
    guest_.write("boot/initrd", cpio(base_entries()));
    ASSERT_TRUE(append());
    auto before = image();
    struct stat first {};
    ASSERT_EQ(::stat((guest_.path() + "/boot/initrd").c_str(), &first), 0);
    modules_ = guest::virtio_disk_modules();
    auto record = append();
    ASSERT_TRUE(record) << render_text(record.error());
    EXPECT_THAT(record->modules, IsEmpty());
    struct stat second {};
    ASSERT_EQ(::stat((guest_.path() + "/boot/initrd").c_str(), &second), 0);
    EXPECT_EQ(first.st_ino, second.st_ino);
    EXPECT_EQ(image(), before);
}

TEST_F(AppendSegment, IndexCoversOldAndNewModules) {
    guest_.write("boot/initrd", cpio(base_entries()));
    ASSERT_TRUE(append());
    auto files = contents();
    auto index = guest::ModuleTree::parse(files[inside + "modules.dep"], "");
    EXPECT_THAT(index.paths(), IsSupersetOf(std::map<std::string, std::string>{
                                   {"scsi_mod", "kernel/drivers/scsi/scsi_mod.ko"},
                                   {"sd_mod", "kernel/drivers/scsi/sd_mod.ko"},
                                   {"virtio_blk", "kernel/drivers/block/virtio_blk.ko"}}));
    EXPECT_THAT(index.closure({"virtio_blk"}), ElementsAre("virtio", "virtio_blk"));
    EXPECT_THAT(index.closure({"virtio_scsi"}), ElementsAre("scsi_mod", "virtio_scsi"))
        << "across old and new";
    EXPECT_THAT(files[inside + "modules.alias"],
                HasSubstr("alias pci:v00001AF4d*sv*sd*bc*sc*i* virtio_pci"));
    EXPECT_THAT(files[inside + "modules.alias"], HasSubstr("alias scsi:t-0x00* sd_mod"));
    EXPECT_THAT(files, Contains(Key(inside + "modules.dep.bin")));
    EXPECT_THAT(files, Contains(Key(inside + "modules.alias.bin")));
}

TEST_F(AppendSegment, CompressedModulesOfTheGuestGoInAsPlainElf) {
    use_tree(".xz", Compression::Xz);
    guest_.write("boot/initrd", cpio(base_entries()));
    auto record = append();
    ASSERT_TRUE(record) << render_text(record.error());
    EXPECT_EQ(contents()[inside + "kernel/drivers/virtio/virtio.ko"].substr(0, 4), "\x7f"
                                                                                   "ELF");
    EXPECT_TRUE(examine().virtio_in_initramfs);
}

TEST_F(AppendSegment, ModulesInsideThatEndInGzStayInTheIndex) {
    guest_.write("boot/initrd", cpio(base_entries(".gz")));
    auto record = append();
    ASSERT_TRUE(record) << render_text(record.error());
    EXPECT_TRUE(examine().virtio_in_initramfs) << "sd_mod among them";
}

TEST_F(AppendSegment, ModuleInsideThatIsALinkStaysInTheIndex) {
    auto entries = base_entries();
    entries.push_back(
        {inside + "weak-updates/extra.ko", S_IFLNK | 0777, "/lib/modules/5.9/extra/extra.ko"});
    guest_.write(std::string("lib/modules/") + version + "/weak-updates/extra.ko",
                 assemble_module("pci:extra", "", ""));
    guest_.write("boot/initrd", cpio(entries));
    ASSERT_TRUE(append());
    EXPECT_THAT(contents()[inside + "modules.alias"], HasSubstr("alias pci:extra extra"));
}

// The paths of the appended members, in order.
std::vector<std::string> members_of(const std::string& segment) {
    auto memory = must(sys::make_memfd("segment", segment.substr(segment.find("070701"))));
    std::vector<std::string> paths;
    must(archive::read_initramfs(
        memory, [&](const archive::InitramfsEntry& entry, archive::EntryContent&) -> Status {
            paths.push_back((S_ISLNK(entry.mode) ? "link " : "") + entry.path);
            return {};
        }));
    return paths;
}

TEST_F(AppendSegment, NoDirectoryIsNamedThatIsOrMayBeALink) {
    auto before = cpio(base_entries());
    guest_.write("boot/initrd", before);
    ASSERT_TRUE(append());
    auto members = members_of(image().substr(before.size()));
    for (const auto* path : {"lib", "usr", "usr/lib", "usr/lib/modules"})
        EXPECT_THAT(members, Not(Contains(path)));
    EXPECT_THAT(members, Contains(inside + "kernel/drivers/virtio"));
    EXPECT_THAT(members, Not(Contains(inside + "kernel/drivers/scsi"))) << "it is there already";
}

TEST_F(AppendSegment, ImageThatIsNotUsrMergedKeepsItsWay) {
    auto entries = base_entries();
    std::erase_if(entries, [](const auto& entry) { return entry.path == "lib"; });
    for (auto& entry : entries)
        if (entry.path.starts_with("usr/lib/"))
            entry.path.erase(0, 4);
    guest_.write("boot/initrd", cpio(entries));
    ASSERT_TRUE(append());
    EXPECT_THAT(contents(), Contains(Key(std::string("lib/modules/") + version +
                                         "/kernel/drivers/virtio/virtio.ko")));
    EXPECT_TRUE(examine().virtio_in_initramfs);
}

TEST_F(AppendSegment, IndexFileWithSeveralNamesIsTakenAwayFirst) {
    auto before = cpio(base_entries());
    auto name = before.find(inside + "modules.dep");
    constexpr std::size_t header = 110;
    constexpr std::size_t links_field = 38;
    before.replace(name - header + links_field, 8, "00000002");
    guest_.write("boot/initrd", before);
    ASSERT_TRUE(append());
    auto members = members_of(image().substr(before.size()));
    auto link = std::find(members.begin(), members.end(), "link " + inside + "modules.dep");
    ASSERT_NE(link, members.end());
    EXPECT_EQ(*(link + 1), inside + "modules.dep");
    EXPECT_THAT(members, Not(Contains("link " + inside + "modules.alias")));
}

TEST_F(AppendSegment, InitramfsToolsListKeepsItsLines) {
    auto entries = base_entries();
    entries.push_back({"conf/initramfs.conf", file_mode, "MODULES=list\n"});
    entries.push_back({"conf/modules", file_mode, "ahci\nvirtio_blk"});
    guest_.write("boot/initrd", cpio(entries));
    ASSERT_TRUE(append());
    EXPECT_EQ(contents()["conf/modules"], "ahci\nvirtio_blk\nvirtio_pci\nvirtio_scsi\nsd_mod\n");
}

TEST_F(AppendSegment, FilesInsideAreReplacedAlsoWhereNoModuleIsMissing) {
    auto entries = base_entries();
    entries.push_back({"conf/initramfs.conf", file_mode, "MODULES=list\n"});
    entries.push_back({"conf/conf.d", directory_mode});
    entries.push_back({"conf/conf.d/resume", file_mode, "RESUME=/dev/sda2\n"});
    guest_.write("boot/initrd", cpio(entries));
    auto old = examine();
    EXPECT_THAT(old.initramfs_files, ElementsAre(Pair("conf/conf.d/resume", "RESUME=/dev/sda2\n")));
    files_ = {{"conf/conf.d/resume", "RESUME=UUID=1\n"}};
    ASSERT_TRUE(append());
    EXPECT_EQ(contents()["conf/conf.d/resume"], "RESUME=UUID=1\n");
    EXPECT_TRUE(examine().virtio_in_initramfs);
    EXPECT_THAT(examine().initramfs_files, IsEmpty());

    auto before = image();
    files_ = {{"conf/conf.d/resume", "RESUME=UUID=2\n"}};
    ASSERT_TRUE(append());
    EXPECT_THAT(members_of(image().substr(before.size())), ElementsAre("conf/conf.d/resume"));
}

TEST_F(AppendSegment, DracutGetsArgumentsOfItsOwn) {
    auto entries = base_entries();
    entries.push_back({"usr/lib/dracut/hooks", directory_mode});
    guest_.write("boot/initrd", cpio(entries));
    ASSERT_TRUE(append());
    EXPECT_THAT(contents()["etc/cmdline.d/90-slipway-virtio.conf"],
                HasSubstr("rd.driver.pre=virtio_pci\n"));
}

TEST_F(AppendSegment, MkinitcpioConfigurationIsExtended) {
    auto entries = base_entries();
    entries.push_back({"buildconfig", file_mode, ""});
    entries.push_back({"config", file_mode, "MODULES=\"ext4\"\n"});
    guest_.write("boot/initrd", cpio(entries));
    ASSERT_TRUE(append());
    EXPECT_EQ(
        contents()["config"],
        "MODULES=\"ext4\"\nMODULES=\"${MODULES} virtio_pci virtio_blk virtio_scsi sd_mod\"\n");
}

TEST_F(AppendSegment, ModeAndExtendedAttributesStayAndALinkIsFollowed) {
    guest_.write("boot/real", cpio(base_entries()));
    auto real = guest_.path() + "/boot/real";
    std::filesystem::create_symlink("/boot/real", guest_.path() + "/initrd.img");
    ASSERT_EQ(::chmod(real.c_str(), 0600), 0);
    bool has_xattrs = ::setxattr(real.c_str(), "user.test", "kept", 4, 0) == 0;
    auto record = append("/initrd.img");
    ASSERT_TRUE(record) << render_text(record.error());
    struct stat info {};
    ASSERT_EQ(::stat(real.c_str(), &info), 0);
    EXPECT_EQ(info.st_mode & 07777, 0600U);
    EXPECT_TRUE(std::filesystem::is_symlink(guest_.path() + "/initrd.img"));
    EXPECT_TRUE(examine("/initrd.img").virtio_in_initramfs);
    std::string value(16, '\0');
    if (has_xattrs) {
        EXPECT_EQ(::getxattr(real.c_str(), "user.test", value.data(), value.size()), 4);
    }
}

TEST_F(AppendSegment, Trap10_KernelVersionThatIsNoNameIsRefused) {
    guest_.write("boot/initrd", cpio(base_entries()));
    for (const auto* kernel : {"6.1; rm -rf /", "../../etc", "-b", "", "6.1/x", "6.1\n"}) {
        auto record = append("/boot/initrd", kernel);
        ASSERT_FALSE(record) << kernel;
        EXPECT_EQ(record.error().code, Code::InvalidArgument);
    }
}

TEST_F(AppendSegment, Trap10_PathsOfAHostileIndexDoNotLeadOut) {
    TemporaryDirectory host;
    host.write("secret.ko", "secret");
    auto top = std::string("lib/modules/") + version;
    guest_.write(top + "/modules.dep",
                 "../../../../.." + host.path() + "/secret.ko:\nkernel/virtio_blk.ko:\n");
    guest_.write(top + "/kernel/x", "");
    std::filesystem::create_symlink(host.path() + "/secret.ko",
                                    guest_.path() + "/" + top + "/kernel/virtio_blk.ko");
    auto before = cpio(base_entries());
    guest_.write("boot/initrd", before);
    for (const auto* module : {"secret", "virtio_blk"}) {
        modules_ = {module};
        EXPECT_FALSE(append()) << module;
        EXPECT_EQ(image(), before);
    }
}

TEST_F(AppendSegment, MembersThatLeadOutOfTheStageAreRefused) {
    auto entries = base_entries();
    entries.push_back({inside + "../../../../evil.ko", file_mode, "x"});
    guest_.write("boot/initrd", cpio(entries));
    auto record = append();
    EXPECT_FALSE(record);
    EXPECT_TRUE(std::filesystem::is_empty(scratch_.path()));
}

TEST_F(AppendSegment, ImageWithoutIndexIsUnsupportedWithTheRemedy) {
    guest_.write("boot/initrd", cpio({{"init", file_mode, "insmod ahci.ko"}}));
    auto record = append();
    ASSERT_FALSE(record);
    EXPECT_EQ(record.error().code, Code::Unsupported);
    EXPECT_THAT(record.error().hint, HasSubstr("--regen-initramfs"));
}

TEST_F(AppendSegment, UnifiedKernelImageIsUnsupported) {
    guest_.write("boot/initrd", "MZ\x90 kernel, initrd and command line");
    modules_ = {"virtio_blk"};
    auto record = append();
    ASSERT_FALSE(record);
    EXPECT_EQ(record.error().code, Code::Unsupported);
    EXPECT_THAT(render_text(record.error()), HasSubstr("UKI"));
}

TEST_F(AppendSegment, ModuleThatTheGuestLacksIsNamed) {
    guest_.write("boot/initrd", cpio(base_entries()));
    modules_ = {"no_such_module"};
    auto record = append();
    ASSERT_FALSE(record);
    EXPECT_EQ(record.error().code, Code::NotFound);
    EXPECT_THAT(record.error().what, HasSubstr("no_such_module"));
}

TEST_F(AppendSegment, DamagedModuleLeavesTheImageAsItWas) {
    use_tree(".xz", Compression::Xz);
    guest_.write(std::string("lib/modules/") + version + "/kernel/drivers/virtio/virtio.ko.xz",
                 "\xfd"
                 "7zXZ");
    guest_.write(std::string("lib/modules/") + version + "/kernel/drivers/block/virtio_blk.ko.xz",
                 std::string("\xfd"
                             "7zXZ\0\0",
                             7));
    auto before = cpio(base_entries());
    guest_.write("boot/initrd", before);
    EXPECT_FALSE(append());
    EXPECT_EQ(image(), before);
    EXPECT_TRUE(std::filesystem::is_empty(scratch_.path()));
}

TEST_F(AppendSegment, StopsOnRequest) {
    auto before = cpio(base_entries());
    guest_.write("boot/initrd", before);
    cancel_.request();
    auto record = append();
    ASSERT_FALSE(record);
    EXPECT_EQ(record.error().code, Code::Cancelled);
    EXPECT_EQ(image(), before);
}

} // namespace
} // namespace slipway::repair
