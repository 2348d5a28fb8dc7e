// SPDX-License-Identifier: Apache-2.0
// Disks with labels, as root: what stays on them from one start of a machine to the next.
#include <set>

#include <gmock/gmock.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/statvfs.h>

#include "support/loader_case.hpp"
#include "sys/loop_device.hpp"
#include "sys/mount.hpp"
#include "sys/process.hpp"

namespace slipway::loading {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

class Disks : public testing_support::LoaderCase {
protected:
    static void SetUpTestSuite() { ASSERT_TRUE(sys::enter_private_mount_namespace()); }
    void SetUp() override {
        LoaderCase::SetUp();
        for (const auto* tool : {"mkfs.ext4", "mkfs.xfs", "mkfs.btrfs", "mksquashfs", "debugfs"})
            if (!sys::find_program(tool))
                GTEST_SKIP() << tool << " is not installed";
        options_.disks = top_ / "disks";
        options_.loop_disks = true;
        options_.disk_wait = std::chrono::milliseconds(0);
        options_.program = SLIPWAY_BINARY_DIR "/libexec/slipway-init";
        label_ = "SLW-" + top_.string().substr(top_.string().size() - 6);
    }
    void TearDown() override {
        unplug();
        LoaderCase::TearDown();
    }
    static void run(const std::string& command) {
        ASSERT_EQ(std::system((command + " >/dev/null 2>&1").c_str()), 0) << command;
    }
    // A disk whose filesystem has our label.
    void make_disk(const char* size = "24M", const char* make = "mkfs.ext4 -q -m 0") {
        unplug();
        run(fmt::format("rm -f {0} && truncate -s {1} {0} && {2} -L {3} {0}", disk(), size, make,
                        label_));
        plug();
    }
    [[nodiscard]] std::string disk() const { return top_ / "disk"; }
    void plug() {
        auto file = sys::open_file(disk(), O_RDWR);
        ASSERT_TRUE(file);
        auto loop = sys::LoopDevice::attach(*file, {.direct_io = false});
        ASSERT_TRUE(loop) << render_text(loop.error());
        loop_.emplace(std::move(*loop));
    }
    void unplug() {
        EXPECT_TRUE(!loop_ || loop_->detach());
        loop_.reset();
    }
    std::string image(char mark, std::size_t size = 4 << 20) {
        std::string content(size, mark);
        content.replace(0, 4, "hsqs");
        content.replace(40, 8, std::string(8, '\0'));
        serve(fmt::format("/{}.img", mark), content);
        return sha256(content);
    }
    // As a machine that has just started.
    std::unique_ptr<Loader> start(std::optional<std::uint64_t> size = {}) {
        auto loader = std::make_unique<Loader>(options_);
        loader->use_cache(label_, size, cancel_);
        return loader;
    }
    // "a b@": the second is on the disk.
    static std::string places(const Loader& loader) {
        std::set<std::string> images;
        for (const auto& each : loader.list())
            images.insert(
                each.url.substr(each.url.size() - 5, 1).append(each.disk.empty() ? "" : "@"));
        return join({images.begin(), images.end()}, " ");
    }
    std::string fetch_by(Loader& loader, const std::string& path, const std::string& digest = "") {
        said_.clear();
        auto image = loader.fetch(request({path}, digest), cancel_);
        return image ? said() : render_text(image.error());
    }

    // A system, served as /NAME.
    void pack(const std::string& name, const std::string& command) {
        auto tree = top_ / "tree";
        fs::remove_all(tree);
        fs::create_directories(tree / "sbin");
        fs::create_directories(tree / "etc");
        std::ofstream(tree / "etc/name") << name;
        fs::create_symlink("name", tree / "etc/link");
        std::ofstream(tree / "sbin/init") << "#!/bin/sh\n";
        fs::permissions(tree / "sbin/init", fs::perms{0755});
        run(fmt::format("cd {} && {}", tree.string(),
                        replace_all(command, "OUT", (top_ / name).string())));
        serve_file("/" + name, top_ / name);
    }
    // Into it, and back: what `visit` says, or why not.
    std::string enter(const std::string& name,
                      const std::function<std::string(const fs::path&)>& visit) {
        said_.clear();
        Loader loader(options_);
        auto wanted = request({"/" + name});
        wanted.persist = label_;
        auto image = loader.fetch(wanted, cancel_);
        auto entrance = image ? loader.prepare(wanted, *image)
                              : Result<Entrance>(fail(std::move(image.error())));
        if (!entrance)
            return render_text(entrance.error());
        auto text = visit(entrance->root.path());
        auto closed = entrance->root.close();
        EXPECT_TRUE(closed) << render_text(closed.error());
        EXPECT_EQ(sys::mounts_below(top_).value().size(), 0);
        return text;
    }
    static std::string content(const fs::path& file) {
        return sys::read_file(file).value_or("nothing");
    }
    static std::string leave_note(const fs::path& root) {
        std::ofstream(root / "etc/note") << "from " << content(root / "etc/name");
        std::ofstream(root / "etc/link") << "changed";
        fs::remove(root / "sbin/old");
        return content(root / "etc/name");
    }
    static std::string read_note(const fs::path& root) {
        return content(root / "etc/note") + ", " + content(root / "etc/name");
    }

    std::string label_;
    std::optional<sys::LoopDevice> loop_;
};

TEST_F(Disks, KeepImagesFromOneStartToTheNext) {
    for (const auto& [size, make] :
         {std::pair{"24M", "mkfs.ext4 -q"}, {"320M", "mkfs.xfs -q"}, {"128M", "mkfs.btrfs -q"}}) {
        make_disk(size, make);
        auto digest = image('a');
        EXPECT_THAT(fetch_by(*start(), "/a.img", digest), HasSubstr(", onto the disk " + label_));
        EXPECT_EQ(sys::mounts_below(top_).value().size(), 0) << "it is given back";
        EXPECT_TRUE(fs::is_empty(options_.images));
        asked();
        auto loader = start();
        EXPECT_EQ(places(*loader), "a@");
        EXPECT_THAT(
            fetch_by(*loader, "/a.img", digest),
            AllOf(HasSubstr("is here already, on the disk " + label_), Not(HasSubstr("kept"))));
        EXPECT_EQ(asked(), "") << "nothing was fetched";
        said_.clear();
        EXPECT_TRUE(loader->verify("", cancel_));
        EXPECT_THAT(said(), HasSubstr(digest + " is as it was fetched"));
        // Somebody else had the disk meanwhile.
        std::ofstream(options_.disks + "/cache/slipway/cache/" + digest) << "hsqs";
        EXPECT_THAT(fetch_by(*loader, "/a.img", digest),
                    AllOf(HasSubstr("has the digest"), HasSubstr("onto the disk")));
        EXPECT_EQ(asked(), "GET /a.img");
        loader.reset();
        unplug();
    }
}

TEST_F(Disks, OldImagesGiveWayOnThem) {
    make_disk();
    for (auto limit : {std::optional<std::uint64_t>(), std::optional<std::uint64_t>(9 << 20)}) {
        auto loader = start(limit);
        for (char mark = 'a'; mark < 'h'; ++mark) {
            image(mark);
            EXPECT_THAT(fetch_by(*loader, fmt::format("/{}.img", mark)),
                        HasSubstr("onto the disk"));
        }
        EXPECT_THAT(said(), HasSubstr("gives way on the disk"));
        EXPECT_EQ(loader->list().size(), limit ? 2 : 4);
        struct statvfs place {};
        ASSERT_EQ(::statvfs((options_.disks + "/cache").c_str(), &place), 0);
        EXPECT_GE(place.f_bavail * 10, place.f_blocks);
    }
}

TEST_F(Disks, MemoryIsUsedWhereTheDiskCannotBe) {
    image('a');
    image('b', 40 << 20);
    auto none = start();
    EXPECT_THAT(said(),
                HasSubstr("images are kept in memory: there is no disk with the label " + label_));
    EXPECT_THAT(fetch_by(*none, "/a.img"), Not(HasSubstr("disk")));
    EXPECT_EQ(places(*none), "a");
    make_disk();
    auto small = start();
    EXPECT_THAT(fetch_by(*small, "/b.img"), AllOf(HasSubstr("it is kept in memory instead: "),
                                                  HasSubstr("the image has 40 MiB, and the disk"),
                                                  HasSubstr("fetched 40 MiB")));
    EXPECT_EQ(places(*small), "a b");
    small.reset();
    unplug();
    run("debugfs -w -R 'set_super_value state 3' " + disk());
    plug();
    said_.clear();
    EXPECT_EQ(places(*start()), "a b");
    EXPECT_THAT(said(), AllOf(HasSubstr("has errors"), HasSubstr("fsck.ext4")));
}

TEST_F(Disks, LinksOnThemAreNotFollowed) {
    make_disk();
    auto digest = image('a');
    std::ofstream(top_ / "mine") << "mine";
    auto directory = options_.disks + "/cache/slipway/cache/";
    auto loader = start();
    fs::create_symlink(top_ / "mine", directory + ".new");
    fs::create_symlink(top_ / "mine", directory + digest + ".json");
    fetch_by(*loader, "/a.img", digest);
    EXPECT_EQ(sys::read_file(top_ / "mine").value(), "mine");
}

TEST_F(Disks, OfTwoWithOneLabelNeitherIsTaken) {
    make_disk();
    auto other = sys::open_file(disk(), O_RDONLY).value();
    auto second = sys::LoopDevice::attach(other, {.read_only = true, .direct_io = false}).value();
    start();
    EXPECT_THAT(said(), HasSubstr("two disks have the label " + label_));
    EXPECT_TRUE(second.detach());
}

constexpr auto as_squashfs = "mksquashfs . OUT -noappend";

TEST_F(Disks, KeepWhatIsWrittenToAnImage) {
    make_disk();
    const std::pair<const char*, const char*> images[]{
        {"one", as_squashfs},
        {"two", "tar -czf OUT ."},
        {"three", "truncate -s 8M OUT && mkfs.ext4 -q -d . OUT"}};
    for (const auto& [name, command] : images) {
        pack(name, command);
        EXPECT_EQ(enter(name, leave_note), "changed");
    }
    unplug(); // the machine starts again
    plug();
    for (const auto& [name, command] : images) {
        EXPECT_EQ(enter(name, read_note), fmt::format("from {}, changed", name));
        EXPECT_THAT(said(), HasSubstr("what it writes stays on the disk " + label_));
    }
    EXPECT_EQ(enter("one",
                    [](const fs::path& root) -> std::string {
                        return fs::exists(root / "slipway") || fs::exists(root / "../slipway")
                                   ? "others are seen"
                                   : "";
                    }),
              "");
}

TEST_F(Disks, WhatWasWrittenBeforeAPowerCutIsThere) {
    make_disk();
    pack("one", as_squashfs);
    EXPECT_EQ(enter("one",
                    [this](const fs::path& root) {
                        auto name = leave_note(root);
                        auto file = sys::open_file(root / "etc/note", O_RDONLY);
                        EXPECT_TRUE(file && ::fsync(file->raw()) == 0);
                        run(fmt::format("cp {0} {0}.cut", disk()));
                        return name;
                    }),
              "changed");
    unplug();
    fs::rename(disk() + ".cut", disk());
    run(fmt::format("dumpe2fs -h {} | grep needs_recovery", disk()));
    plug();
    EXPECT_THAT(enter("one", read_note), testing::StartsWith("from one, "));
}

TEST_F(Disks, NothingIsWrittenToMemoryWhereItShouldStay) {
    pack("one", as_squashfs);
    EXPECT_THAT(enter("one", leave_note), HasSubstr("there is no disk with the label " + label_));
    make_disk();
    unplug();
    run("debugfs -w -R 'set_super_value state 3' " + disk());
    plug();
    EXPECT_THAT(enter("one", leave_note), AllOf(HasSubstr("has errors"), HasSubstr("fsck.ext4")));
    make_disk();
    unplug();
    run("debugfs -w -R 'set_super_value inode_size 7' " + disk());
    plug();
    EXPECT_THAT(enter("one", leave_note), HasSubstr("cannot be used"));
    EXPECT_EQ(sys::mounts_below(top_).value().size(), 0);
}

TEST_F(Disks, AFullOneIsToldToTheSystemAndAtTheNextLoad) {
    make_disk("8M");
    pack("one", as_squashfs);
    auto fill = [](const fs::path& root) {
        std::string block(1 << 16, 'x');
        for (int each = 0; each < 1000; ++each) {
            std::ofstream file(root / fmt::format("fill{}", each), std::ios::binary);
            if (!(file << block << std::flush))
                return std::string(::strerror(errno));
        }
        return std::string("never full");
    };
    EXPECT_EQ(enter("one", fill), "No space left on device");
    EXPECT_EQ(enter("one", [](const fs::path& root) { return content(root / "etc/name"); }), "one");
    // Not even room for the directories of another one.
    run(fmt::format("mkdir {0}/m && mount {1} {0}/m && head -c 20M /dev/zero > {0}/m/zero; "
                    "for i in $(seq 5000); do echo > {0}/m/$i || break; done; umount {0}/m",
                    top_.string(), "/dev/" + loop_->disk().name()));
    pack("two", "tar -cf OUT .");
    EXPECT_THAT(enter("two", leave_note), AllOf(HasSubstr("No space left"), HasSubstr(label_)));
    EXPECT_EQ(sys::mounts_below(top_).value().size(), 0);
}

} // namespace
} // namespace slipway::loading
