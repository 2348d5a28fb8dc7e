// SPDX-License-Identifier: Apache-2.0
// Boot-loader tools of a real guest, built from packages by tests/images/guest.
#include <filesystem>

#include <sys/sysmacros.h>
#include <sys/wait.h>

#include <gmock/gmock.h>

#include "base/strings.hpp"
#include "root/enter_fixture.hpp"

using namespace slipway;
using namespace slipway::enter_test;
using ::testing::HasSubstr;
using ::testing::Not;

namespace {

constexpr auto guest_name = "debian12-stock";
constexpr std::uint64_t sector = 512;

struct Partition {
    unsigned number;
    std::uint64_t start, size; // bytes
};

// "1 2048 4192255 …" of partx
std::vector<Partition> partitions_of(sys::Runner& runner, const std::string& image) {
    auto listed =
        must(sys::run(runner, {.argv = {"partx", "-g", "-o", "NR,START,SECTORS", image}}));
    std::vector<Partition> partitions;
    for (auto line : split_lines(listed.out))
        if (auto words = split_words(line); words.size() == 3)
            partitions.push_back({static_cast<unsigned>(*parse_number(words[0])),
                                  *parse_number(words[1]) * sector,
                                  *parse_number(words[2]) * sector});
    return partitions;
}

// A copy of the guest's disk, attached and mounted by the name that it has in the guest, as the
// worker does it: what mountinfo calls the source is what grub-probe looks for.
class RealGuest {
public:
    RealGuest(sys::Runner& runner, const std::string& image) {
        if (::mkdtemp(folder_.data()) == nullptr)
            throw std::runtime_error("mkdtemp");
        auto copy = folder_ + "/disk.raw";
        must(sys::run(runner, {.argv = {"cp", "--sparse=always", image, copy}}));
        disk_.emplace(must(sys::LoopDevice::attach(must(sys::open_file(copy, O_RDWR)), {})));
        auto partition = partitions_of(runner, copy).at(0);
        auto device =
            must(disk_->disk().add_partition({partition.number, partition.start, partition.size}));
        must(sys::mount(
            {.source = "dev", .target = "/dev", .type = "tmpfs", .options = "mode=0755"}));
        ::mknod("/dev/vda1", S_IFBLK | 0600, device);
        ::mknod("/dev/null", S_IFCHR | 0666, makedev(1, 3));
        ::mkdir("/dev/root", 0755);
        must(sys::mount({.source = "/dev/vda1", .target = "/dev/root", .type = "ext4"}));
        uuid_ = std::string(trim(must(sys::run(runner, {.argv = {"blkid", "-p", "-s", "UUID", "-o",
                                                                 "value", "/dev/vda1"}}))
                                     .out));
        spec_ = {.directory = "/dev/root",
                 .disks = {{.name = "vda",
                            .device = disk_->disk().device(),
                            .size = std::filesystem::file_size(copy)}},
                 .partitions = {{.name = "vda1",
                                 .disk = "vda",
                                 .number = partition.number,
                                 .device = device,
                                 .start = partition.start,
                                 .size = partition.size,
                                 .uuid = uuid_,
                                 .fstype = "ext4"}},
                 .hostname = "debian"};
    }
    RealGuest(const RealGuest&) = delete;
    RealGuest& operator=(const RealGuest&) = delete;
    ~RealGuest() {
        ::umount2("/dev/root", 0);
        ::umount2("/dev", MNT_DETACH);
        disk_.reset();
        std::filesystem::remove_all(folder_);
    }
    [[nodiscard]] const enter::RootSpec& spec() const { return spec_; }
    [[nodiscard]] const std::string& uuid() const { return uuid_; }

private:
    std::string folder_ = "/var/tmp/slipway-enter-guest-XXXXXX";
    std::optional<sys::LoopDevice> disk_;
    std::string uuid_;
    enter::RootSpec spec_;
};

TEST(EnterGuest, Trap3_GrubToolsOfARealGuestFindItsDiskByUuidAndNoDeviceOfTheHost) {
    sys::LocalRunner runner;
    auto path = sys::run(runner, {.argv = {std::string(SLIPWAY_SOURCE_DIR) + "/tests/images/guest",
                                           "path", guest_name},
                                  .env = {"HOME=/root"}});
    if (!path || path->status != 0)
        GTEST_SKIP() << "the guest is not built: tests/images/guest build " << guest_name;
    RealGuest guest(runner, std::string(trim(path->out)));
    auto root = must(enter::Root::prepare(guest.spec(), {.runner = &runner}));
    auto run = [&](std::vector<std::string> argv) { return must(root.command(std::move(argv))); };

    auto expect_probe = [&](const char* target, const std::string& wanted) {
        auto probed = run({"grub-probe", std::string("--target=") + target, "/"});
        EXPECT_EQ(probed.out, wanted + "\n") << target << ": " << probed.err;
    };
    expect_probe("device", "/dev/vda1");
    expect_probe("disk", "/dev/vda");
    expect_probe("fs_uuid", guest.uuid());
    auto update = run({"update-grub"});
    EXPECT_EQ(update.finished.status, 0) << update.err;
    auto config = must(sys::read_file("/dev/root/boot/grub/grub.cfg"));
    EXPECT_THAT(config, HasSubstr("root=UUID=" + guest.uuid()));
    for (const auto* name : {"/dev/loop", "/dev/nbd", "/dev/mapper", "osprober"})
        EXPECT_THAT(config, Not(HasSubstr(name)));
    EXPECT_EQ(must(root.command_with_mounts({"lsblk", "-rno", "NAME,FSTYPE,UUID"})).out,
              "vda  \nvda1 ext4 " + guest.uuid() + "\n");
    EXPECT_EQ(must(root.command_with_mounts({"findmnt", "-no", "SOURCE", "/"})).out, "/dev/vda1\n");
    EXPECT_EQ(must(root.command_with_mounts({"dpkg", "--audit"})).finished.status, 0);
}

} // namespace
