// SPDX-License-Identifier: Apache-2.0
#include "guest/find.hpp"

#include "guest/inspect.hpp"
#include "mount/tree.hpp"
#include "support/loop_image.hpp"

namespace slipway::guest {
namespace {

using mount::MountTree;
using testing_support::LoopTest;

class Find : public LoopTest {
protected:
    void add_ext4(const std::string& name, const std::string& product) {
        make_image(name, 24, {"mkfs.ext4", "-q", "-F"});
        volumes_.push_back(attach(name, {.name = name,
                                         .disk = "sda",
                                         .partition = static_cast<unsigned>(name.back() - '0'),
                                         .type = "ext4",
                                         .uuid = name}));
        fill(volumes_.back(), [&](const auto& top) {
            product.empty() ? write(top / "data") : write_system(top, product);
        });
    }
    static void write_system(const std::filesystem::path& top, const std::string& product) {
        write(top / "etc" / "os-release", "ID=debian\nPRETTY_NAME=\"" + product + "\"\n");
        std::filesystem::create_directories(top / "usr");
    }
    [[nodiscard]] Result<SystemSearch> find(const std::string& root = "") {
        return find_systems(volumes_, target_, {.root = root});
    }
    [[nodiscard]] static std::vector<std::string> roots_of(const SystemSearch& search) {
        std::vector<std::string> roots;
        for (const auto& system : search.systems)
            roots.push_back(system.root);
        return roots;
    }

    mount::Volumes volumes_;
};

TEST_F(Find, OneSystemStaysMountedForTheTree) {
    volumes_.push_back({{.name = "sda9", .size = 1U << 30, .type = "swap"}, "/dev/null"});
    add_ext4("sda1", "");
    add_ext4("sda2", "Debian 12");
    auto search = find();
    ASSERT_TRUE(search) << render_text(search.error());
    auto system = pick_system(*search);
    ASSERT_TRUE(system);
    EXPECT_EQ(system->root, "sda2");
    EXPECT_EQ(system->product, "Debian 12");
    ASSERT_TRUE(search->mounted);
    EXPECT_EQ(search->mounted->volume(), "sda2");
    auto tree =
        MountTree::mount(volumes_, {.root = system->root}, target_, std::move(search->mounted));
    ASSERT_TRUE(tree) << render_text(tree.error());
    EXPECT_EQ(sys::mounts_below(target_)->size(), 1U);
    auto inventory = inspect(opened_guest(*tree, {}, volumes_));
    ASSERT_TRUE(inventory);
    EXPECT_EQ(inventory->root, "sda2");
    EXPECT_GT(inventory->find_volume("sda2")->used.value_or(0), 0U);
    EXPECT_TRUE(tree->unmount());
}

TEST_F(Find, WritableTreeMountsTheRootAgain) {
    add_ext4("sda1", "Debian 12");
    auto search = find();
    ASSERT_TRUE(search);
    auto tree = MountTree::mount(volumes_, {.root = "sda1", .writable = true}, target_,
                                 std::move(search->mounted));
    ASSERT_TRUE(tree) << render_text(tree.error());
    EXPECT_EQ(sys::mounts_below(target_)->size(), 1U);
    EXPECT_TRUE(tree->root().write_atomic(sys::GuestPath("/new"), "x"));
    EXPECT_TRUE(tree->unmount());
}

TEST_F(Find, SeveralSystemsAskForRoot) {
    add_ext4("sda1", "Debian 12");
    add_ext4("sda2", "Debian 13");
    {
        auto search = find();
        ASSERT_TRUE(search);
        EXPECT_EQ(roots_of(*search), (std::vector<std::string>{"sda1", "sda2"}));
        auto system = pick_system(*search);
        ASSERT_FALSE(system);
        EXPECT_EQ(system.error().code, Code::InvalidArgument);
        EXPECT_NE(system.error().hint.find("--root sda2 (Debian 13)"), std::string::npos)
            << system.error().hint;
        // The first is mounted, and the second is wanted.
        auto tree =
            MountTree::mount(volumes_, {.root = "sda2"}, target_, std::move(search->mounted));
        ASSERT_TRUE(tree) << render_text(tree.error());
        EXPECT_EQ(sys::mounts_below(target_)->size(), 1U);
        EXPECT_EQ(*tree->root().read(sys::GuestPath("/etc/os-release")),
                  "ID=debian\nPRETTY_NAME=\"Debian 13\"\n");
        EXPECT_TRUE(tree->unmount());
    }
    auto wanted = find("sda2");
    ASSERT_TRUE(wanted);
    EXPECT_EQ(roots_of(*wanted), std::vector<std::string>{"sda2"});
}

TEST_F(Find, NoSystem) {
    add_ext4("sda1", "");
    auto search = find();
    ASSERT_TRUE(search);
    EXPECT_EQ(pick_system(*search).error().code, Code::NotFound);
    EXPECT_TRUE(find("sda1")->systems.empty());
    EXPECT_EQ(find("sda7").error().code, Code::NotFound);
}

TEST_F(Find, EncryptedAndLvmGuestsNameTheRemedy) {
    add_ext4("sda1", "");
    volumes_.push_back({{.name = "sda2", .type = "crypto_LUKS"}, ""});
    volumes_.push_back({{.name = "sda3", .type = "LVM2_member"}, ""});
    auto search = find();
    ASSERT_TRUE(search);
    auto system = pick_system(*search);
    ASSERT_FALSE(system);
    EXPECT_EQ(system.error().code, Code::Unsupported);
    EXPECT_NE(system.error().what.find("sda2 is LUKS; sda3 is LVM"), std::string::npos)
        << system.error().what;
    EXPECT_NE(system.error().hint.find("block device"), std::string::npos);
    EXPECT_EQ(find("sda2").error().code, Code::Unsupported);
}

TEST_F(Find, DamagedFilesystemIsAFindingAndTheSearchGoesOn) {
    add_ext4("sda1", "Debian 12");
    volumes_.push_back(volumes_.front());
    volumes_.back().volume.name = "sda2";
    volumes_.back().volume.type = "xfs";
    auto search = find();
    ASSERT_TRUE(search);
    EXPECT_EQ(roots_of(*search), std::vector<std::string>{"sda1"});
    ASSERT_EQ(search->findings.size(), 1U);
    EXPECT_EQ(search->findings[0].id, "volume-not-mounted");
}

class FindBtrfs : public Find {
protected:
    void make_btrfs(const std::vector<std::string>& systems) {
        make_image("image", 128, {"mkfs.btrfs", "-q", "-f"});
        volumes_.push_back(
            attach("image",
                   {.name = "sda2", .disk = "sda", .partition = 2, .type = "btrfs", .uuid = "u"}));
        fill(volumes_.back(), [&](const std::filesystem::path& top) {
            for (const auto& subvolume : systems) {
                run({"btrfs", "subvolume", "create", top / subvolume});
                write_system(top / subvolume, "system of " + subvolume);
            }
        });
    }
};

TEST_F(FindBtrfs, Trap6_RootInTheUsualSubvolume) {
    make_btrfs({"@rootfs"});
    auto search = find();
    ASSERT_TRUE(search) << render_text(search.error());
    ASSERT_EQ(roots_of(*search), std::vector<std::string>{"btrfs:sda2/@rootfs"});
    auto tree = MountTree::mount(volumes_, {.root = search->systems[0].root}, target_,
                                 std::move(search->mounted));
    ASSERT_TRUE(tree);
    EXPECT_EQ(sys::mounts_below(target_)->size(), 1U);
    EXPECT_EQ(*sys::mounted_root(target_), "/@rootfs");
    EXPECT_TRUE(tree->unmount());
}

TEST_F(FindBtrfs, DefaultSubvolumeWinsOverTheUsualNames) {
    make_btrfs({"@", "snapshot"});
    fill(volumes_[0], [](const std::filesystem::path& top) {
        run({"btrfs", "subvolume", "set-default", top / "snapshot"});
    });
    {
        auto search = find();
        ASSERT_TRUE(search);
        EXPECT_EQ(roots_of(*search), std::vector<std::string>{"btrfs:sda2/snapshot"});
    }
    auto chosen = find("btrfs:sda2/@");
    ASSERT_TRUE(chosen) << render_text(chosen.error());
    EXPECT_EQ(chosen->systems[0].product, "system of @");
}

TEST_F(FindBtrfs, TwoSystemsInOneFilesystem) {
    make_btrfs({"@", "root"});
    auto search = find();
    ASSERT_TRUE(search);
    EXPECT_EQ(roots_of(*search), (std::vector<std::string>{"btrfs:sda2/@", "btrfs:sda2/root"}));
    auto tree = MountTree::mount(volumes_, {.root = "btrfs:sda2/root"}, target_,
                                 std::move(search->mounted));
    ASSERT_TRUE(tree);
    EXPECT_EQ(tree->root_name(), "btrfs:sda2/root");
    EXPECT_NE(tree->root().read(sys::GuestPath("/etc/os-release"))->find("system of root"),
              std::string::npos);
    EXPECT_TRUE(tree->unmount());
}

TEST_F(FindBtrfs, SubvolumesOfAnyNameButNoSnapshots) {
    make_btrfs({"fedora39", "@"});
    fill(volumes_[0], [](const std::filesystem::path& top) {
        run({"btrfs", "subvolume", "snapshot", "-r", top / "@", top / "@before-upgrade"});
        run({"btrfs", "subvolume", "snapshot", top / "@", top / "@backup"});
        std::filesystem::create_directories(top / "timeshift-btrfs/snapshots/1");
        run({"btrfs", "subvolume", "snapshot", top / "@", top / "timeshift-btrfs/snapshots/1/@"});
        run({"btrfs", "subvolume", "create", top / "@home"});
    });
    auto search = find();
    ASSERT_TRUE(search);
    EXPECT_EQ(roots_of(*search), (std::vector<std::string>{"btrfs:sda2/@", "btrfs:sda2/fedora39"}));
    search->mounted.reset();
    EXPECT_EQ(find("btrfs:sda2/@backup")->systems.size(), 1U);
}

/// openSUSE with snapper: the root is a snapshot below "@", which holds no system itself.
class FindSnapper : public FindBtrfs {
protected:
    void make_snapper(const std::string& default_subvolume) {
        make_btrfs({});
        fill(volumes_[0], [&](const std::filesystem::path& top) {
            auto snapshots = top / "@" / ".snapshots";
            run({"btrfs", "subvolume", "create", top / "@"});
            run({"btrfs", "subvolume", "create", snapshots});
            for (const std::string number : {"1", "2", "9", "10", "11"})
                std::filesystem::create_directory(snapshots / number);
            run({"btrfs", "subvolume", "create", snapshots / "1/snapshot"});
            write_system(snapshots / "1/snapshot", "first");
            auto snapshot = [&](const std::string& from, const std::string& to, bool read_only) {
                std::vector<std::string> argv{"btrfs", "subvolume", "snapshot"};
                if (read_only)
                    argv.emplace_back("-r");
                argv.push_back(snapshots / from / "snapshot");
                argv.push_back(snapshots / to / "snapshot");
                run(argv);
            };
            snapshot("1", "2", true);
            snapshot("2", "9", false);
            snapshot("9", "10", false); // of a rollback
            snapshot("10", "11", true);
            if (!default_subvolume.empty())
                run({"btrfs", "subvolume", "set-default", top / default_subvolume});
        });
    }
};

TEST_F(FindSnapper, DefaultSubvolumeCounts) {
    make_snapper("@/.snapshots/9/snapshot");
    auto search = find();
    ASSERT_TRUE(search);
    EXPECT_EQ(roots_of(*search), std::vector<std::string>{"btrfs:sda2/@/.snapshots/9/snapshot"});
}

TEST_F(FindSnapper, WithoutADefaultTheNewestThatCanBeWritten) {
    for (const std::string default_subvolume : {"", "@"}) {
        make_snapper(default_subvolume);
        auto search = find();
        ASSERT_TRUE(search);
        EXPECT_EQ(roots_of(*search),
                  std::vector<std::string>{"btrfs:sda2/@/.snapshots/10/snapshot"});
        ASSERT_TRUE(search->mounted);
        EXPECT_EQ(*sys::mounted_root(target_), "/@/.snapshots/10/snapshot");
        search->mounted.reset();
        detach(volumes_[0]);
        volumes_.clear();
    }
}

TEST_F(FindBtrfs, Trap10_SubvolumeNamesThatAreLinks) {
    make_btrfs({});
    auto host = path("host");
    write_system(host, "the host");
    fill(volumes_[0], [&](const std::filesystem::path& top) {
        std::filesystem::create_symlink(host, top / "@");
        std::filesystem::create_symlink("/", top / "root");
    });
    auto search = find();
    ASSERT_TRUE(search);
    EXPECT_TRUE(search->systems.empty());
}

} // namespace
} // namespace slipway::guest
