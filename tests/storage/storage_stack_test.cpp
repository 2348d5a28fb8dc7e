// SPDX-License-Identifier: Apache-2.0
// Containers of several kinds, one in the other.
#include "mount/ladder.hpp"
#include "storage/storage_disks.hpp"

namespace slipway::storage {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class StorageStack : public StorageTest {};

TEST_F(StorageStack, LvmOnLuks) {
    make_luks("/dev/ubda", "open sesame");
    open_luks("/dev/ubda", "inner", "open sesame");
    make_group("vg", {"/dev/mapper/inner"}, {{"-L8M", "-nroot", "vg"}});
    make_ext4("/dev/mapper/vg-root", "root");
    close_group("vg", {"/dev/mapper/inner"});
    tool({"cryptsetup", "close", "inner"});

    auto stack = open({0}, with_key("sda", "open sesame"));
    ASSERT_TRUE(stack) << render_text(stack.error());
    EXPECT_THAT(names_of(*stack), ElementsAre("luks:sda", "vg/root")) << why(*stack);
    EXPECT_EQ(find(*stack, "luks:sda")->volume.type, "LVM2_member");
    EXPECT_EQ(find(*stack, "vg/root")->volume.label, "root");
    EXPECT_THAT(find(*stack, "vg/root")->stands_on, ElementsAre("luks:sda"));
    EXPECT_EQ(render_json(stack->to_json()),
              R"([{"volume":"luks:sda","kind":"luks","on":["sda"],"read_only":false},)"
              R"({"volume":"vg/root","kind":"lvm","on":["luks:sda"],"read_only":false}])");
    auto closed = stack->close();
    EXPECT_TRUE(closed) << render_text(closed.error());
}

TEST_F(StorageStack, LuksOnLvm) {
    make_group("a-vg", {"/dev/ubda"}, {{"-L24M", "-nsecret", "a-vg"}});
    make_luks("/dev/mapper/a--vg-secret", "key one");
    open_luks("/dev/mapper/a--vg-secret", "inner", "key one");
    make_ext4("/dev/mapper/inner", "hidden");
    tool({"cryptsetup", "close", "inner"});
    close_group("a-vg", {"/dev/ubda"});

    // Several keys are tried, by several names of the one volume.
    auto options = with_key("/dev/mapper/a--vg-secret", "wrong");
    options.keys.push_back({"a-vg/other", Secret("never tried")});
    options.keys.push_back({"all", Secret("key one")});
    auto stack = open({0}, options);
    ASSERT_TRUE(stack) << render_text(stack.error());
    EXPECT_THAT(names_of(*stack), ElementsAre("a-vg/secret", "luks:a-vg/secret")) << why(*stack);
    EXPECT_EQ(find(*stack, "luks:a-vg/secret")->volume.label, "hidden");
    EXPECT_TRUE(stack->close());
}

TEST_F(StorageStack, WrongAndMissingKeysSayWhatIsWanted) {
    make_luks("/dev/ubda", "right");
    make_luks("/dev/ubdb", "right");
    auto stack = open({0, 1}, with_key("sda", "wr0ng-secret"));
    ASSERT_TRUE(stack) << render_text(stack.error());
    EXPECT_THAT(names_of(*stack), IsEmpty());
    auto locked = stack->locked();
    ASSERT_EQ(locked.size(), 2U) << why(*stack);
    EXPECT_THAT(locked[0].error.what, HasSubstr("sda is encrypted"));
    EXPECT_THAT(locked[0].error.what, HasSubstr(locked[0].uuid));
    EXPECT_THAT(locked[0].error.what, HasSubstr("does not open it"));
    EXPECT_THAT(locked[1].error.what, HasSubstr("no key was given"));
    EXPECT_THAT(locked[1].error.hint, HasSubstr("--key sdb:file:PATH"));
    EXPECT_EQ(locked[0].uuid.size(), 36U);
    for (const auto& each : stack->findings())
        EXPECT_EQ(render_json(report::to_json(each)).find("wr0ng"), std::string::npos);
    EXPECT_TRUE(stack->close());
}

TEST_F(StorageStack, LuksByUuidOnAReadOnlyDisk) {
    make_luks("/dev/ubda", "right");
    open_luks("/dev/ubda", "inner", "right");
    make_ext4("/dev/mapper/inner", "inside");
    tool({"cryptsetup", "close", "inner"});
    auto before = hash_of(0);
    set_read_only(0, true);
    auto stack = open({0}, with_key(disks({0}).at(0).volume.uuid, "right"));
    ASSERT_TRUE(stack) << render_text(stack.error());
    EXPECT_EQ(find(*stack, "luks:sda")->volume.label, "inside");
    EXPECT_TRUE(find(*stack, "luks:sda")->read_only);
    EXPECT_TRUE(stack->close());
    EXPECT_EQ(before, hash_of(0));
}

TEST_F(StorageStack, LvmOnMirroredArray) {
    make_array("1", {"/dev/ubda", "/dev/ubdb"});
    make_group("vg", {"/dev/md0"}, {{"-L8M", "-nroot", "vg"}});
    make_ext4("/dev/mapper/vg-root", "root");
    close_group("vg", {"/dev/md0"});
    tool({"mdadm", "--stop", "/dev/md0"});

    auto stack = open({0, 1});
    ASSERT_TRUE(stack) << render_text(stack.error());
    EXPECT_THAT(names_of(*stack), ElementsAre("md:data", "vg/root")) << why(*stack);
    EXPECT_THAT(find(*stack, "md:data")->stands_on, ElementsAre("sda", "sdb"));
    EXPECT_EQ(find(*stack, "vg/root")->volume.label, "root");
    EXPECT_THAT(stack->findings(), IsEmpty());
    auto closed = stack->close();
    EXPECT_TRUE(closed) << render_text(closed.error());
}

TEST_F(StorageStack, ArrayOverTwoEncryptedDisks) {
    for (const auto* node : {"/dev/ubda", "/dev/ubdb"}) {
        make_luks(node, "one");
        open_luks(node, std::string("inner") + node[8], "one");
    }
    make_array("1", {"/dev/mapper/innera", "/dev/mapper/innerb"});
    make_ext4("/dev/md0", "both");
    tool({"mdadm", "--stop", "/dev/md0"});
    tool({"cryptsetup", "close", "innera"});
    tool({"cryptsetup", "close", "innerb"});
    auto stack = open({0, 1}, with_key("all", "one"));
    ASSERT_TRUE(stack) << render_text(stack.error());
    EXPECT_THAT(names_of(*stack), ElementsAre("luks:sda", "luks:sdb", "md:data")) << why(*stack);
    EXPECT_THAT(stack->findings(), IsEmpty());
    EXPECT_TRUE(stack->close());
}

TEST_F(StorageStack, FirstVersionOfLuks) {
    tool({"cryptsetup", "luksFormat", "-q", "--type", "luks1", "--pbkdf-force-iterations", "1000",
          "--key-file=-", "/dev/ubda"},
         "one");
    auto stack = open({0}, with_key("/dev/sda", "one"));
    ASSERT_TRUE(stack) << render_text(stack.error());
    EXPECT_THAT(names_of(*stack), ElementsAre("luks:sda")) << why(*stack);
    EXPECT_TRUE(stack->close());
}

TEST_F(StorageStack, DamagedHeaderLeavesTheOthersAlone) {
    make_luks("/dev/ubda", "one");
    make_luks("/dev/ubdb", "one");
    auto devices = disks({0, 1});
    auto fd = sys::open_file("/dev/ubda", O_WRONLY);
    ASSERT_TRUE(fd && sys::write_all_at(*fd, std::string(64 << 10, 'x'), 64));
    ASSERT_EQ(::fsync(fd->raw()), 0);
    auto stack = Stack::open(host(), std::move(devices), with_key("all", "one"));
    ASSERT_TRUE(stack) << render_text(stack.error());
    EXPECT_THAT(names_of(*stack), ElementsAre("luks:sdb"));
    ASSERT_EQ(stack->unopened().size(), 1U);
    EXPECT_EQ(stack->unopened()[0].error.code, Code::Corrupt) << why(*stack);
    EXPECT_TRUE(stack->close());
}

TEST_F(StorageStack, BtrfsOverTwoVolumesMountsByItsDevices) {
    make_group("vg", {"/dev/ubda", "/dev/ubdb", "/dev/ubdc", "/dev/ubdd"}, // 109 MiB is its least
               {{"-l50%VG", "-none", "vg"}, {"-l100%FREE", "-ntwo", "vg"}});
    tool({"mkfs.btrfs", "-q", "-f", "-dsingle", "-msingle", "/dev/mapper/vg-one",
          "/dev/mapper/vg-two"});
    close_group("vg", {"/dev/ubda", "/dev/ubdb", "/dev/ubdc", "/dev/ubdd"});
    auto stack = open({0, 1, 2, 3});
    ASSERT_TRUE(stack) << render_text(stack.error());
    mount::Volumes volumes;
    for (const auto& each : stack->volumes())
        volumes.push_back({each.volume, each.node});
    ASSERT_EQ(volumes.size(), 2U) << why(*stack);
    std::filesystem::create_directories("/run/mnt");
    auto mounted = mount::mount_volume(
        volumes[1], "/run/mnt",
        {.writable = true, .other_nodes = mount::sibling_nodes(volumes[1], volumes)});
    ASSERT_TRUE(mounted) << render_text(mounted.error());
    EXPECT_TRUE(mounted->unmount());
    auto closed = stack->close();
    EXPECT_TRUE(closed) << render_text(closed.error());
}

TEST_F(StorageStack, PartitionsInsideALuksVolume) {
    make_luks("/dev/ubda", "one");
    open_luks("/dev/ubda", "inner", "one");
    tool({"sfdisk", "-q", "--no-tell-kernel", "/dev/mapper/inner"}, "label: gpt\n,8M\n,8M\n");
    tool({"cryptsetup", "close", "inner"});
    auto stack = open({0}, with_key("all", "one"));
    ASSERT_TRUE(stack) << render_text(stack.error());
    EXPECT_THAT(names_of(*stack), ElementsAre("luks:sda", "luks:sda1", "luks:sda2")) << why(*stack);
    EXPECT_EQ(find(*stack, "luks:sda2")->volume.size, 8U << 20);
    EXPECT_EQ(find(*stack, "luks:sda2")->kind, "partition");
    EXPECT_TRUE(stack->close());
}

} // namespace
} // namespace slipway::storage
