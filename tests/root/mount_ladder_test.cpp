// SPDX-License-Identifier: Apache-2.0
#include "mount/ladder.hpp"

#include <algorithm>
#include <array>

#include <sys/statvfs.h>

#include "support/loop_image.hpp"

namespace slipway::mount {
namespace {

using testing_support::LoopTest;

struct Filesystem {
    const char* type;
    unsigned mebibytes;
    std::vector<std::string> mkfs;
};
void PrintTo(const Filesystem& filesystem, std::ostream* out) {
    *out << filesystem.type;
}
const std::vector<Filesystem> journaling{
    {"ext4", 64, {"mkfs.ext4", "-q", "-F"}},
    {"xfs", 320, {"mkfs.xfs", "-q", "-f"}},
    {"btrfs", 128, {"mkfs.btrfs", "-q", "-f"}},
};

class Ladder : public LoopTest, public testing::WithParamInterface<Filesystem> {
protected:
    /// "dirty": a copy of the image while it was mounted and /new had just been synced.
    // A sync(2) of any process ends what btrfs has in its log, so that the copy is clean.
    void make_dirty_image() {
        for (int tries = 0; tries < 5; ++tries) {
            copy_while_mounted();
            if (GetParam().type != std::string("btrfs") || has_log(path("dirty")))
                return;
        }
    }
    // The address of the log's root in the superblock.
    static bool has_log(const std::string& image) {
        constexpr std::uint64_t log_root_at = 0x10060;
        auto fd = sys::open_file(image, O_RDONLY);
        std::array<std::byte, 8> root{};
        return fd && sys::read_exactly_at(*fd, root, log_root_at) &&
               root != std::array<std::byte, 8>{};
    }
    void copy_while_mounted() {
        make_image("image", GetParam().mebibytes, GetParam().mkfs);
        auto volume = attach("image", {.name = "sda1", .type = GetParam().type});
        fill(volume, [](const auto& top) { write(top / "old", "old\n"); });
        auto mounted = mount_volume(volume, target_, {.writable = true});
        ASSERT_TRUE(mounted) << render_text(mounted.error());
        write_durably(target_ + "/new", "new\n");
        run({"cp", "--sparse=always", path("image"), path("dirty")});
        ASSERT_TRUE(mounted->unmount());
        detach(volume);
    }
    [[nodiscard]] report::Volume record() const {
        return {.name = "sda1", .type = GetParam().type};
    }
};
INSTANTIATE_TEST_SUITE_P(All, Ladder, testing::ValuesIn(journaling),
                         [](const auto& parameter) { return std::string(parameter.param.type); });

TEST_P(Ladder, CleanFilesystemReadOnlyAndWritable) {
    make_image("image", GetParam().mebibytes, GetParam().mkfs);
    auto volume = attach("image", record());
    fill(volume, [](const auto& top) { write(top / "file", "content\n"); });
    {
        auto mounted = mount_volume(volume, target_, {});
        ASSERT_TRUE(mounted) << render_text(mounted.error());
        EXPECT_EQ(mounted->journal(), Journal::Clean);
        EXPECT_FALSE(mounted->writable());
        EXPECT_EQ(content_of(target_ + "/file"), "content\n");
        EXPECT_FALSE(sys::open_file(target_ + "/file", O_WRONLY));
        struct statvfs info {};
        ASSERT_EQ(::statvfs(target_.c_str(), &info), 0);
        EXPECT_NE(info.f_flag & ST_NODEV, 0U);
        EXPECT_EQ(info.f_flag & ST_NOSUID, 0U);
    }
    auto mounted = mount_volume(volume, target_, {.writable = true});
    ASSERT_TRUE(mounted);
    EXPECT_TRUE(mounted->writable());
    EXPECT_TRUE(sys::open_file(target_ + "/file", O_WRONLY));
    EXPECT_TRUE(mounted->unmount());
}

TEST_P(Ladder, DirtyJournalReadOnlyLeavesEveryByteAlone) {
    make_dirty_image();
    auto before = data_of(path("dirty"));
    auto volume = attach("dirty", record());
    {
        auto mounted = mount_volume(volume, target_, {});
        ASSERT_TRUE(mounted) << render_text(mounted.error());
        EXPECT_EQ(content_of(target_ + "/old"), "old\n");
        // xfs does not say it on a writable device.
        EXPECT_EQ(mounted->journal(),
                  GetParam().type == std::string("xfs") ? Journal::Clean : Journal::Skipped);
    }
    detach(volume);
    EXPECT_TRUE(before == data_of(path("dirty"))) << "the read-only mount wrote to the device";
}

TEST_P(Ladder, DirtyJournalOfAReadOnlyDeviceIsToldOfEveryType) {
    make_dirty_image();
    auto mounted = mount_volume(attach("dirty", record(), true), target_, {});
    ASSERT_TRUE(mounted) << render_text(mounted.error());
    EXPECT_EQ(mounted->journal(), Journal::Skipped);
    EXPECT_EQ(content_of(target_ + "/old"), "old\n");
    EXPECT_TRUE(mounted->unmount());
}

TEST_P(Ladder, CleanJournalOfAReadOnlyDeviceIsClean) {
    make_image("image", GetParam().mebibytes, GetParam().mkfs);
    auto mounted = mount_volume(attach("image", record(), true), target_, {});
    ASSERT_TRUE(mounted) << render_text(mounted.error());
    EXPECT_EQ(mounted->journal(), Journal::Clean);
    EXPECT_TRUE(mounted->unmount());
}

TEST_P(Ladder, WritableMountReplaysTheJournal) {
    make_dirty_image();
    auto volume = attach("dirty", record());
    auto mounted = mount_volume(volume, target_, {.writable = true});
    ASSERT_TRUE(mounted) << render_text(mounted.error());
    EXPECT_EQ(content_of(target_ + "/new"), "new\n");
    EXPECT_EQ(mounted->journal(),
              GetParam().type == std::string("xfs") ? Journal::Clean : Journal::Replayed);
    EXPECT_TRUE(mounted->unmount());
}

TEST_P(Ladder, WritableMountOfAReadOnlyDeviceIsRefused) {
    make_image("image", GetParam().mebibytes, GetParam().mkfs);
    auto volume = attach("image", record(), true);
    auto mounted = mount_volume(volume, target_, {.writable = true});
    if (mounted) {
        struct statvfs info {};
        ASSERT_EQ(::statvfs(target_.c_str(), &info), 0);
        FAIL() << "mounted with flags " << info.f_flag;
    }
    EXPECT_EQ(mounted.error().code, Code::Permission) << render_text(mounted.error());
}

class LadderErrors : public LoopTest {};

TEST_F(LadderErrors, GarbageIsCorrupt) {
    make_image("image", 16, {"mkfs.ext4", "-q", "-F"});
    std::ofstream image(path("image"), std::ios::in | std::ios::binary);
    image.seekp(1024 + 0x18); // s_log_block_size
    image << "\xff\xff\xff\xff";
    image.close();
    auto mounted = mount_volume(attach("image", {.name = "sda1", .type = "ext4"}), target_, {});
    ASSERT_FALSE(mounted);
    EXPECT_EQ(mounted.error().code, Code::Corrupt) << render_text(mounted.error());
    EXPECT_EQ(render_text(mounted.error()).find(path("node")), std::string::npos)
        << "a node of ours left the worker";
}

TEST_F(LadderErrors, TypesThatTheKernelLacksNameTheRemedy) {
    make_image("image", 16, {"mkfs.ext4", "-q", "-F"});
    auto mounted = mount_volume(attach("image", {.name = "sda1", .type = "vfat"}), target_, {});
    auto known = sys::kernel_filesystems(); // now that it has loaded what it can
    ASSERT_TRUE(known);
    if (std::find(known->begin(), known->end(), "vfat") != known->end())
        GTEST_SKIP() << "this kernel has vfat";
    ASSERT_FALSE(mounted);
    EXPECT_EQ(mounted.error().code, Code::Unsupported);
    EXPECT_NE(mounted.error().what.find("this kernel has no vfat"), std::string::npos);
    EXPECT_NE(mounted.error().hint.find("modprobe vfat"), std::string::npos);
}

TEST_F(LadderErrors, WhatIsNoFilesystem) {
    MountableVolume lvm{{.name = "sda2", .type = "LVM2_member"}, "/dev/null"};
    auto mounted = mount_volume(lvm, target_, {});
    ASSERT_FALSE(mounted);
    EXPECT_EQ(mounted.error().code, Code::Unsupported);
    EXPECT_NE(mounted.error().what.find("LVM"), std::string::npos);
    MountableVolume tmpfs{{.name = "sda3", .type = "tmpfs"}, "/dev/null"};
    EXPECT_EQ(mount_volume(tmpfs, target_, {}).error().code, Code::Unsupported);
    MountableVolume nodeless{{.name = "sda4", .type = "ext4"}, ""};
    EXPECT_EQ(mount_volume(nodeless, target_, {}).error().code, Code::NotFound);
}

// Not btrfs: it takes two copies for devices of one filesystem.
TEST_F(LadderErrors, TwoCopiesOfOneXfsAtOnce) {
    make_image("image", 320, {"mkfs.xfs", "-q", "-f"});
    run({"cp", "--sparse=always", path("image"), path("copy")});
    auto first = mount_volume(attach("image", {.name = "sda1", .type = "xfs"}), target_, {});
    auto second = mount_volume(attach("copy", {.name = "sdb1", .type = "xfs"}), target_, {});
    ASSERT_TRUE(first);
    EXPECT_TRUE(second) << render_text(second.error());
    EXPECT_TRUE(second->unmount());
    EXPECT_TRUE(first->unmount());
}

TEST_F(LadderErrors, ExtThatAsksForAPanicIsOverruled) {
    make_image("image", 16, {"mkfs.ext4", "-q", "-F", "-e", "panic"});
    auto mounted = mount_volume(attach("image", {.name = "sda1", .type = "ext4"}), target_,
                                {.writable = true});
    ASSERT_TRUE(mounted) << render_text(mounted.error());
    auto mounts = sys::read_file("/proc/self/mounts", 1 << 20);
    ASSERT_TRUE(mounts);
    auto line = mounts->substr(mounts->find(" " + target_ + " "));
    line = line.substr(0, line.find('\n'));
    EXPECT_EQ(line.find("errors=panic"), std::string::npos) << line;
    EXPECT_TRUE(mounted->unmount());
}

class Subvolumes : public LoopTest {
protected:
    [[nodiscard]] MountableVolume make_btrfs() {
        make_image("image", 128, {"mkfs.btrfs", "-q", "-f"});
        auto volume = attach("image", {.name = "sda1", .type = "btrfs"});
        fill(volume, [](const std::filesystem::path& top) {
            run({"btrfs", "subvolume", "create", top / "@"});
            write(top / "@" / "in-subvolume");
            write(top / "plain" / "file");
            std::filesystem::create_symlink("/", top / "link");
        });
        return volume;
    }
};

TEST_F(Subvolumes, ByNameAndByNumber) {
    auto volume = make_btrfs();
    for (const auto& options :
         {MountOptions{.subvolume = "@"}, MountOptions{.subvolume_id = "256"}}) {
        auto mounted = mount_volume(volume, target_, options);
        ASSERT_TRUE(mounted) << render_text(mounted.error());
        EXPECT_EQ(mounted->subvolume(), "@");
        EXPECT_TRUE(std::filesystem::exists(target_ + "/in-subvolume"));
        EXPECT_TRUE(mounted->unmount());
    }
    EXPECT_EQ(mount_volume(volume, target_, {.subvolume = "absent"}).error().code, Code::NotFound);
    EXPECT_EQ(mount_volume(volume, target_, {.subvolume = "@,device=/dev/loop0"}).error().code,
              Code::InvalidArgument);
}

TEST_F(Subvolumes, TopLevelGivesWay) {
    auto volume = make_btrfs();
    auto mounted = mount_volume(volume, target_, {});
    ASSERT_TRUE(mounted);
    EXPECT_EQ(mounted->subvolume(), "");
    ASSERT_TRUE(mounted->narrow_to_subvolume("@"));
    EXPECT_EQ(mounted->subvolume(), "@");
    EXPECT_TRUE(std::filesystem::exists(target_ + "/in-subvolume"));
    EXPECT_EQ(*sys::mounted_root(target_), "/@");
    EXPECT_FALSE(sys::open_file(target_ + "/in-subvolume", O_WRONLY)) << "no longer read-only";
    EXPECT_TRUE(mounted->unmount());
}

TEST_F(Subvolumes, Trap10_LinksAndPlainDirectoriesAreNoSubvolumes) {
    auto volume = make_btrfs();
    auto mounted = mount_volume(volume, target_, {});
    ASSERT_TRUE(mounted);
    for (const auto* name : {"link", "plain", "absent"})
        EXPECT_FALSE(mounted->open_subvolume(name)) << name;
    EXPECT_FALSE(mounted->narrow_to_subvolume("link"));
    EXPECT_TRUE(std::filesystem::exists(target_ + "/plain/file"))
        << "the top level must stay mounted";
    EXPECT_TRUE(mounted->unmount());
}

TEST_F(Subvolumes, FilesystemOfTwoDevices) {
    for (const auto* name : {"one", "two"}) {
        std::ofstream(path(name)).close();
        std::filesystem::resize_file(path(name), 128U << 20);
    }
    run({"mkfs.btrfs", "-q", "-f", "-d", "raid0", path("one"), path("two")});
    Volumes volumes{attach("one", {.name = "sda1", .type = "btrfs", .uuid = "u"}),
                    attach("two", {.name = "sdb1", .type = "btrfs", .uuid = "u"})};
    auto mounted =
        mount_volume(volumes[0], target_, {.other_nodes = sibling_nodes(volumes[0], volumes)});
    ASSERT_TRUE(mounted) << render_text(mounted.error());
    EXPECT_TRUE(mounted->unmount());
}

} // namespace
} // namespace slipway::mount
