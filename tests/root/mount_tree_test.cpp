// SPDX-License-Identifier: Apache-2.0
#include "mount/tree.hpp"

#include <algorithm>

#include "support/loop_image.hpp"

namespace slipway::mount {
namespace {

using report::Severity;
using testing_support::LoopTest;

/// "sda1" is the root, "sda2" another ext4 filesystem, both with a file that names them.
class Tree : public LoopTest {
protected:
    void make_root(const std::function<void(const std::filesystem::path&)>& more) {
        make_ext4("sda1", 1);
        fill(volumes_.back(), [&](const std::filesystem::path& top) {
            write(top / "etc" / "os-release", "ID=debian\n");
            for (const auto* directory : {"boot", "home", "usr", "var"})
                std::filesystem::create_directory(top / directory);
            more(top);
        });
    }
    void make_ext4(const std::string& name, unsigned partition) {
        make_image(name, 24, {"mkfs.ext4", "-q", "-F"});
        volumes_.push_back(attach(name, {.name = name,
                                         .disk = "sda",
                                         .partition = partition,
                                         .type = "ext4",
                                         .uuid = "uuid-" + name}));
        fill(volumes_.back(), [&](const auto& top) { write(top / ("this-is-" + name)); });
    }
    [[nodiscard]] Result<MountTree> mount(bool writable = false) {
        return MountTree::mount(volumes_, {.root = "sda1", .writable = writable}, target_);
    }
    [[nodiscard]] static const report::Finding* finding(const MountTree& tree,
                                                        std::string_view id) {
        auto found = std::find_if(tree.findings().begin(), tree.findings().end(),
                                  [&](const auto& each) { return each.id == id; });
        return found == tree.findings().end() ? nullptr : &*found;
    }
    [[nodiscard]] bool is_at(const std::string& guest_path, const std::string& name) const {
        return std::filesystem::exists(target_ + guest_path + "/this-is-" + name);
    }

    Volumes volumes_;
};

TEST_F(Tree, Trap6_SeparateBootAndItsSubdirectoryInPathOrder) {
    make_root([](const auto& top) {
        // The inner one stands first.
        write(top / "etc" / "fstab",
              "UUID=uuid-sda3 /boot/inner ext4 defaults 0 2\n/dev/sda1 / ext4 defaults 0 1\n"
              "/dev/sda2 /boot ext4 defaults 0 2\n");
    });
    make_ext4("sda2", 2);
    fill(volumes_.back(),
         [](const auto& top) { std::filesystem::create_directory(top / "inner"); });
    make_ext4("sda3", 3);
    auto tree = mount(true);
    ASSERT_TRUE(tree) << render_text(tree.error());
    EXPECT_TRUE(is_at("", "sda1"));
    EXPECT_TRUE(is_at("/boot", "sda2"));
    EXPECT_TRUE(is_at("/boot/inner", "sda3"));
    EXPECT_EQ(tree->mountpoints(), (std::map<std::string, std::string>{
                                       {"/", "sda1"}, {"/boot", "sda2"}, {"/boot/inner", "sda3"}}));
    EXPECT_TRUE(tree->findings().empty()) << render_text(tree->findings().front());
    EXPECT_TRUE(tree->root().write_atomic(sys::GuestPath("/boot/inner/new"), "x"));
    EXPECT_TRUE(tree->unmount());
}

TEST_F(Tree, Trap6_BootBesideARootInsideOfAContainer) {
    make_root([](const auto& top) {
        write(top / "etc" / "fstab",
              "/dev/mapper/a--b-root / ext4 defaults 0 1\n/dev/sda2 /boot ext4 defaults 0 2\n");
    });
    volumes_.back().volume.disk.clear();
    volumes_.back().volume.kind = "lvm";
    make_ext4("sda2", 2);
    auto tree = mount();
    ASSERT_TRUE(tree) << render_text(tree.error());
    EXPECT_TRUE(is_at("/boot", "sda2"));
}

TEST_F(Tree, DestructorLeavesNothingMounted) {
    make_root([](const auto& top) {
        write(top / "etc" / "fstab", "UUID=uuid-sda2 /boot ext4 defaults 0 2\n");
    });
    make_ext4("sda2", 2);
    { ASSERT_TRUE(mount()); }
    auto left = sys::mounts_below(target_);
    EXPECT_TRUE(left && left->empty());
}

TEST_F(Tree, Trap10_MountPointsThatAreLinksStayInside) {
    auto outside = path("outside");
    std::filesystem::create_directory(outside);
    make_root([&](const auto& top) {
        std::filesystem::create_symlink(outside, top / "absolute");
        std::filesystem::create_symlink("../../../../../../.." + outside, top / "upward");
        std::filesystem::create_symlink("/var", top / "inside");
        std::filesystem::create_symlink("/proc/self/root", top / "magic");
        write(top / "etc" / "fstab",
              "/dev/sda2 /absolute ext4 defaults 0 2\n/dev/sda2 /upward ext4 defaults 0 2\n"
              "/dev/sda2 /inside ext4 defaults 0 2\n/dev/sda2 /magic ext4 defaults 0 2\n"
              "/dev/sda2 /a/../../b ext4 defaults 0 2\n");
    });
    make_ext4("sda2", 2);
    auto tree = mount();
    ASSERT_TRUE(tree) << render_text(tree.error());
    EXPECT_TRUE(std::filesystem::is_empty(outside));
    EXPECT_TRUE(is_at("/var", "sda2"));
    EXPECT_EQ(tree->mountpoints(),
              (std::map<std::string, std::string>{{"/", "sda1"}, {"/var", "sda2"}}));
    EXPECT_EQ(std::count_if(tree->findings().begin(), tree->findings().end(),
                            [](const auto& each) { return each.id == "mount-skipped"; }),
              3);
    EXPECT_NE(finding(*tree, "fstab-bad-mountpoint"), nullptr);
    EXPECT_TRUE(tree->unmount());
}

TEST_F(Tree, Trap10_LinkThatLeadsToOurOwnDirectories) {
    make_root([](const auto& top) {
        std::filesystem::create_directory(top / "proc");
        std::filesystem::create_symlink("/proc", top / "link");
        write(top / "etc" / "fstab",
              "/dev/sda2 /link ext4 defaults 0 2\n/dev/sda2 /proc ext4 defaults 0 2\n");
    });
    make_ext4("sda2", 2);
    auto tree = mount();
    ASSERT_TRUE(tree);
    EXPECT_EQ(tree->mountpoints().size(), 1U);
    EXPECT_TRUE(tree->unmount());
}

TEST_F(Tree, Trap7_WhatIsNotMounted) {
    make_root([](const auto& top) {
        write(top / "etc" / "fstab", "UUID=uuid-sda2 none swap sw 0 0\nserver:/x /home nfs "
                                     "defaults 0 0\ntmpfs /var tmpfs defaults 0 0\n"
                                     "/dev/sda2 /usr ext4 noauto 0 0\n/etc /home none bind 0 0\n");
    });
    make_ext4("sda2", 2);
    auto tree = mount();
    ASSERT_TRUE(tree);
    EXPECT_EQ(tree->mountpoints().size(), 1U);
    EXPECT_TRUE(tree->findings().empty());
    EXPECT_TRUE(tree->unmount());
}

TEST_F(Tree, WhatCannotBeMountedIsAFinding) {
    make_root([](const auto& top) {
        write(top / "etc" / "fstab",
              "UUID=absent /home ext4 defaults 0 2\nUUID=absent2 /opt ext4 nofail 0 2\n"
              "/dev/sda2 /var ext4 defaults 0 2\n/dev/sda3 /missing ext4 defaults 0 2\n"
              "UUID=uuid-sda3 /boot ext4 defaults 0 2\nUUID=uuid-sda3 /boot ext4 defaults 0 2\n");
    });
    volumes_.push_back(
        {{.name = "sda2", .disk = "sda", .partition = 2, .type = "LVM2_member"}, "/dev/null"});
    make_ext4("sda3", 3);
    auto tree = mount();
    ASSERT_TRUE(tree) << render_text(tree.error());
    EXPECT_TRUE(is_at("/boot", "sda3"));
    std::vector<std::string> seen;
    for (const auto& each : tree->findings())
        seen.push_back(each.id + " " + each.where);
    EXPECT_EQ(seen, (std::vector<std::string>{
                        "fstab-unresolved /etc/fstab line 1", "fstab-unresolved /etc/fstab line 2",
                        "fstab-duplicate-mountpoint /etc/fstab line 6",
                        "mount-skipped /etc/fstab line 3", "mount-skipped /etc/fstab line 4"}));
    EXPECT_EQ(tree->findings()[0].severity, Severity::Blocker);
    EXPECT_EQ(tree->findings()[1].severity, Severity::Info);
    EXPECT_TRUE(tree->unmount());
}

TEST_F(Tree, RootThatCannotBeMountedIsAnError) {
    volumes_.push_back({{.name = "sda1", .type = "crypto_LUKS"}, "/dev/null"});
    auto tree = mount();
    ASSERT_FALSE(tree);
    EXPECT_EQ(tree.error().code, Code::Unsupported);
    EXPECT_EQ(MountTree::mount(volumes_, {.root = "sda9"}, target_).error().code, Code::NotFound);
}

TEST_F(Tree, DirtyRootIsSaidAndWritableMountReplays) {
    make_root([](const auto&) {});
    auto mounted = mount_volume(volumes_[0], target_, {.writable = true});
    ASSERT_TRUE(mounted);
    write_durably(target_ + "/new", "new");
    run({"cp", "--sparse=always", path("sda1"), path("dirty")});
    ASSERT_TRUE(mounted->unmount());
    volumes_ = {attach("dirty", {.name = "sda1", .disk = "sda", .partition = 1, .type = "ext4"})};
    {
        auto tree = mount();
        ASSERT_TRUE(tree);
        EXPECT_NE(finding(*tree, "journal-dirty"), nullptr);
        EXPECT_EQ(tree->dirty_volumes(), std::vector<std::string>{"sda1"});
        EXPECT_TRUE(tree->unmount());
    }
    auto tree = mount(true);
    ASSERT_TRUE(tree);
    EXPECT_NE(finding(*tree, "journal-replayed"), nullptr);
    EXPECT_TRUE(tree->dirty_volumes().empty());
    EXPECT_TRUE(tree->root().exists(sys::GuestPath("/new")));
    EXPECT_TRUE(tree->unmount());
}

TEST_F(Tree, BusyMountIsNamedAndDetached) {
    make_root([](const auto&) {});
    auto tree = mount();
    ASSERT_TRUE(tree);
    auto file = tree->root().open_path(sys::GuestPath("/etc/os-release"), O_RDONLY);
    auto unmounted = tree->unmount();
    ASSERT_FALSE(unmounted);
    EXPECT_EQ(unmounted.error().code, Code::Busy);
    EXPECT_TRUE(sys::mounts_below(target_)->empty());
}

TEST_F(Tree, HostileFstabMountsALimitedNumber) {
    make_root([](const auto& top) {
        std::string fstab;
        for (int i = 0; i < 200; ++i) {
            std::filesystem::create_directory(top / ("m" + std::to_string(i)));
            fstab += "/dev/sda2 /m" + std::to_string(i) + " ext4 defaults 0 0\n";
        }
        write(top / "etc" / "fstab", fstab);
    });
    make_ext4("sda2", 2);
    auto tree = mount();
    ASSERT_TRUE(tree);
    EXPECT_EQ(tree->mountpoints().size(), 65U);
    EXPECT_EQ(std::count_if(tree->findings().begin(), tree->findings().end(),
                            [](const auto& each) { return each.id == "fstab-too-many-mounts"; }),
              1);
    EXPECT_TRUE(tree->unmount());
}

class BtrfsTree : public Tree {
protected:
    void SetUp() override {
        Tree::SetUp();
        if (IsSkipped())
            return;
        make_image("image", 128, {"mkfs.btrfs", "-q", "-f"});
        volumes_ = {
            attach("image",
                   {.name = "sda2", .disk = "sda", .partition = 2, .type = "btrfs", .uuid = "u"})};
        fill(volumes_[0], [](const std::filesystem::path& top) {
            for (const auto* subvolume : {"@", "@home", "@log"})
                run({"btrfs", "subvolume", "create", top / subvolume});
            write(top / "@" / "etc" / "os-release");
            write(top / "@home" / "user");
            write(top / "@log" / "syslog");
            for (const auto* directory : {"home", "var/log"})
                std::filesystem::create_directories(top / "@" / directory);
            write(
                top / "@" / "etc" / "fstab",
                "UUID=u / btrfs subvol=@ 0 0\nUUID=u /home btrfs compress=zstd,subvol=/@home 0 0\n"
                "UUID=u /var/log btrfs subvolid=258 0 0\n");
        });
    }
    void set_default(const std::string& subvolume) {
        fill(volumes_[0], [&](const std::filesystem::path& top) {
            run({"btrfs", "subvolume", "set-default", top / subvolume});
        });
    }
};

TEST_F(BtrfsTree, Trap6_SubvolumesOfFstab) {
    for (bool writable : {false, true}) {
        auto tree =
            MountTree::mount(volumes_, {.root = "btrfs:sda2/@", .writable = writable}, target_);
        ASSERT_TRUE(tree) << render_text(tree.error());
        EXPECT_EQ(tree->root_name(), "btrfs:sda2/@");
        EXPECT_EQ(tree->mountpoints(),
                  (std::map<std::string, std::string>{{"/", "btrfs:sda2/@"},
                                                      {"/home", "btrfs:sda2/@home"},
                                                      {"/var/log", "btrfs:sda2/@log"}}));
        EXPECT_TRUE(tree->root().exists(sys::GuestPath("/home/user")));
        EXPECT_TRUE(tree->root().exists(sys::GuestPath("/var/log/syslog")));
        EXPECT_TRUE(tree->findings().empty()) << render_text(tree->findings().front());
        EXPECT_EQ(tree->root().write_atomic(sys::GuestPath("/home/new"), "x").has_value(),
                  writable);
        EXPECT_TRUE(tree->unmount());
    }
}

TEST_F(BtrfsTree, DefaultSubvolumeGetsItsName) {
    set_default("@");
    auto tree = MountTree::mount(volumes_, {.root = "sda2"}, target_);
    ASSERT_TRUE(tree);
    EXPECT_EQ(tree->root_name(), "btrfs:sda2/@");
    EXPECT_TRUE(tree->unmount());
}

TEST_F(BtrfsTree, FstabThatMountsAnotherSubvolumeAsRootIsAFinding) {
    auto tree = MountTree::mount(volumes_, {.root = "btrfs:sda2/@home"}, target_);
    ASSERT_TRUE(tree);
    EXPECT_TRUE(tree->unmount());
    fill(volumes_[0], [](const auto& top) {
        write(top / "@home" / "etc" / "fstab", "UUID=u / btrfs subvol=@ 0 0\n");
    });
    auto other = MountTree::mount(volumes_, {.root = "btrfs:sda2/@home"}, target_);
    ASSERT_TRUE(other);
    EXPECT_NE(finding(*other, "fstab-root-subvolume-differs"), nullptr);
    EXPECT_TRUE(other->unmount());
}

} // namespace
} // namespace slipway::mount
