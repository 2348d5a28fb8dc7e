// SPDX-License-Identifier: Apache-2.0
// The lower rungs of the ladder: filesystems that the kernel refuses.
#include <algorithm>

#include "mount/layer.hpp"
#include "support/loop_image.hpp"

namespace slipway::mount {
namespace {

using testing_support::LoopTest;

class Damage : public LoopTest {
protected:
    [[nodiscard]] MountableVolume made(const std::string& type, std::vector<std::string> mkfs,
                                       unsigned mebibytes) {
        make_image("image", mebibytes, std::move(mkfs));
        report::Volume record{.name = "sda1", .type = type};
        auto volume = attach("image", record);
        fill(volume, [](const auto& top) { write(top / "old", "old\n"); });
        detach(volume);
        return {record, ""};
    }
    // The journal's inode is no file any more: neither a plain mount nor one without it is left.
    [[nodiscard]] MountableVolume ext4_without_journal_inode() {
        auto volume = made("ext4", {"mkfs.ext4", "-q", "-F"}, 64);
        run({"debugfs", "-w", "-R", "set_inode_field <8> mode 0", path("image")});
        return volume;
    }
    [[nodiscard]] MountableVolume damaged_xfs() {
        auto volume = made("xfs", {"mkfs.xfs", "-q", "-f"}, 320);
        run({"xfs_db", "-x", "-c", "agi 0", "-c", "write -d magicnum 9", path("image")});
        return volume;
    }
    static std::vector<std::string> ids_of(const report::Findings& findings) {
        std::vector<std::string> ids;
        for (const auto& finding : findings)
            ids.push_back(finding.id);
        return ids;
    }
    using Ids = std::vector<std::string>;
};

TEST_F(Damage, IsRepairedByTheFilesystemsOwnToolWhereTheDiskMayBeWritten) {
    for (bool xfs : {false, true}) {
        auto record = xfs ? damaged_xfs() : ext4_without_journal_inode();
        SCOPED_TRACE(record.volume.type);
        auto volume = attach("image", record.volume);
        for (bool writable : {false, true}) {
            auto mounted = mount_volume(volume, target_, {.writable = writable});
            ASSERT_TRUE(mounted) << render_text(mounted.error());
            EXPECT_EQ(content_of(target_ + "/old"), "old\n");
            EXPECT_EQ(ids_of(mounted->findings()), writable ? Ids{} : Ids{"filesystem-repaired"});
            for (const auto& finding : mounted->findings())
                EXPECT_EQ(finding.text.find(volume.node), std::string::npos) << finding.text;
        }
        detach(volume);
    }
}

TEST_F(Damage, IsNotTouchedWhereTheDiskIsOnlyRead) {
    auto record = ext4_without_journal_inode();
    auto before = data_of(path("image"));
    auto volume = attach("image", record.volume, true);
    auto mounted = mount_volume(volume, target_, {});
    ASSERT_FALSE(mounted);
    EXPECT_EQ(mounted.error().code, Code::Corrupt);
    detach(volume);
    EXPECT_EQ(data_of(path("image")), before);
}

TEST_F(Damage, BtrfsIsReadWithAllItsRescues) {
    auto record = made("btrfs", {"mkfs.btrfs", "-q", "-f", "-m", "single"}, 128);
    // Zeros in place of the root of the extent tree, of which there is one copy.
    auto script = "image=" + path("image") + R"(
        at=$(btrfs inspect-internal dump-tree -t root $image | grep -A1 'EXTENT_TREE ROOT_ITEM' | grep -o 'bytenr [0-9]*')
        to=$(btrfs-map-logical -l ${at#bytenr } $image | grep -o 'physical [0-9]*')
        dd if=/dev/zero of=$image bs=4096 seek=$((${to#physical } / 4096)) count=4 conv=notrunc)";
    run({"sh", "-c", script});
    auto volume = attach("image", record.volume);
    {
        auto mounted = mount_volume(volume, target_, {});
        ASSERT_TRUE(mounted) << render_text(mounted.error());
        EXPECT_EQ(content_of(target_ + "/old"), "old\n");
        EXPECT_EQ(ids_of(mounted->findings()), Ids{"mount-rescued"});
    }
    EXPECT_FALSE(mount_volume(volume, target_, {.writable = true}));
    // What is written is dropped: so it may go to memory.
    auto mounted = mount_volume(volume, target_, {.writable = true, .dropped = true});
    ASSERT_TRUE(mounted) << render_text(mounted.error());
    EXPECT_EQ(ids_of(mounted->findings()), (Ids{"mount-rescued", "mounted-read-only"}));
    EXPECT_TRUE(mounted->writable());
    write(target_ + "/new", "new\n");
    EXPECT_EQ(content_of(target_ + "/new"), "new\n");
    EXPECT_TRUE(mounted->unmount());
}

TEST_F(Damage, TreesAreBoundAndCoveredByALayer) {
    write(top_ / "tree/file", "old\n");
    MountableVolume tree{{.name = "dir", .type = "directory"}, path("tree")};
    {
        auto mounted = mount_volume(tree, target_, {});
        ASSERT_TRUE(mounted) << render_text(mounted.error());
        EXPECT_FALSE(sys::open_file(target_ + "/file", O_WRONLY));
    }
    {
        auto mounted = mount_volume(tree, target_, {.writable = true});
        ASSERT_TRUE(mounted);
        EXPECT_FALSE(mounted->writable());
    }
    auto mounted = mount_volume(tree, target_, {.writable = true, .dropped = true});
    ASSERT_TRUE(mounted) << render_text(mounted.error());
    write(target_ + "/file", "new\n");
    EXPECT_EQ(content_of(target_ + "/file"), "new\n");
    EXPECT_EQ(content_of(top_ / "tree/file"), "old\n");
    EXPECT_TRUE(mounted->unmount());
}

} // namespace
} // namespace slipway::mount
