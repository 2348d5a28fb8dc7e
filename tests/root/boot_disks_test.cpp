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

namespace slipway::boot {
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

} // namespace
} // namespace slipway::boot
