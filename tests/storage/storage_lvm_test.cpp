// SPDX-License-Identifier: Apache-2.0
#include "storage/storage_disks.hpp"

namespace slipway::storage {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

class StorageLvm : public StorageTest {};

TEST_F(StorageLvm, Trap6_HyphensThinAndSnapshots) {
    make_group("my-vg", {"/dev/ubda", "/dev/ubdb"},
               {{"-L12M", "-na-b", "my-vg"},
                {"-L4M", "-s", "-nsnap", "my-vg/a-b"},
                {"-L8M", "-T", "my-vg/pool", "-V20M", "-nthin"},
                {"-s", "-nthin-snap", "my-vg/thin"}});
    make_ext4("/dev/mapper/my--vg-a--b", "linear");
    make_ext4("/dev/mapper/my--vg-thin", "thin");
    close_group("my-vg", {"/dev/ubda", "/dev/ubdb"});

    auto stack = open({0, 1});
    ASSERT_TRUE(stack) << render_text(stack.error());
    EXPECT_THAT(names_of(*stack),
                UnorderedElementsAre("my-vg/a-b", "my-vg/snap", "my-vg/thin", "my-vg/thin-snap"))
        << why(*stack);
    const auto* linear = find(*stack, "my-vg/a-b");
    EXPECT_EQ(linear->volume.type, "ext4");
    EXPECT_EQ(linear->volume.label, "linear");
    EXPECT_THAT(linear->stands_on, ElementsAre("sda", "sdb"));
    EXPECT_EQ(find(*stack, "my-vg/thin")->volume.label, "thin");
    EXPECT_THAT(stack->unopened(), IsEmpty());
    EXPECT_THAT(stack->findings(), IsEmpty());
    auto closed = stack->close();
    EXPECT_TRUE(closed) << render_text(closed.error());
}

TEST_F(StorageLvm, MissingPhysicalVolumeLeavesTheRestUsable) {
    make_group("vg", {"/dev/ubda", "/dev/ubdb"},
               {{"-L8M", "-nhere", "vg", "/dev/ubda"}, {"-L8M", "-ngone", "vg", "/dev/ubdb"}});
    auto uuid = tool({"lvm", "pvs", "--noheadings", "-o", "pv_uuid", "--config",
                      lvm_config({.nodes = {"/dev/ubdb"}, .lock_dir = scratch})});
    uuid = uuid.substr(uuid.find_first_not_of(" \n"), 38);
    close_group("vg", {"/dev/ubda", "/dev/ubdb"});

    auto stack = open({0});
    ASSERT_TRUE(stack) << render_text(stack.error());
    EXPECT_THAT(names_of(*stack), ElementsAre("vg/here")) << why(*stack);
    ASSERT_EQ(stack->unopened().size(), 1U);
    EXPECT_EQ(stack->unopened()[0].volume, "vg/gone");
    EXPECT_EQ(stack->unopened()[0].error.code, Code::NotFound);
    EXPECT_THAT(stack->unopened()[0].error.what, HasSubstr(uuid));
    EXPECT_TRUE(has_finding(*stack, "lvm-incomplete"));
    EXPECT_TRUE(stack->close());
}

TEST_F(StorageLvm, TwoGroupsOfOneName) {
    make_group("vg", {"/dev/ubda"}, {{"-L8M", "-nroot", "vg"}, {"-L4M", "-s", "-nold", "vg/root"}});
    make_ext4("/dev/mapper/vg-root", "first");
    close_group("vg", {"/dev/ubda"});
    make_group("vg", {"/dev/ubdb"}, {{"-L8M", "-nroot", "vg"}});
    make_ext4("/dev/mapper/vg-root", "second");
    close_group("vg", {"/dev/ubdb"});

    auto stack = open({0, 1});
    ASSERT_TRUE(stack) << render_text(stack.error());
    std::vector<std::string> labels;
    for (const auto& each : stack->volumes()) {
        EXPECT_THAT(each.volume.name, testing::MatchesRegex("vg@[A-Za-z0-9]{6}/(root|old)"));
        if (each.volume.name.ends_with("/root"))
            labels.push_back(each.volume.label + " on " + each.stands_on.front());
    }
    EXPECT_EQ(stack->volumes().size(), 3U) << why(*stack);
    EXPECT_THAT(labels, UnorderedElementsAre("first on sda", "second on sdb"));
    EXPECT_TRUE(has_finding(*stack, "lvm-duplicate-name"));
    auto closed = stack->close();
    EXPECT_TRUE(closed) << render_text(closed.error());
}

TEST_F(StorageLvm, Trap6_HostGroupOfTheSameNameIsUntouched) {
    make_group(
        "vg", {"/dev/ubda"},
        {{"-L8M", "-nroot", "vg"}, {"-L8M", "-nkept", "vg"}, {"-L4M", "-s", "-ncopy", "vg/kept"}});
    make_ext4("/dev/mapper/vg-root", "guest");
    close_group("vg", {"/dev/ubda"});
    make_group("vg", {"/dev/ubdb"},
               {{"-L8M", "-nroot", "vg"}, {"-L8M", "-nkept", "vg"}}); // stays active: the host's
    auto before = mapped_names();

    auto stack = open({0});
    ASSERT_TRUE(stack) << render_text(stack.error());
    EXPECT_THAT(names_of(*stack), ElementsAre("vg/root"));
    EXPECT_EQ(find(*stack, "vg/root")->volume.label, "guest");
    // Only lvm can open a snapshot, and it would take the names of the host's volumes.
    ASSERT_EQ(stack->unopened().size(), 2U);
    EXPECT_EQ(stack->unopened()[0].error.code, Code::Busy);
    EXPECT_THAT(stack->unopened()[0].error.hint, HasSubstr("--engine sandbox"));
    EXPECT_TRUE(stack->close());
    EXPECT_EQ(mapped_names(), before);
    close_group("vg", {"/dev/ubdb"});
}

TEST_F(StorageLvm, ReadOnlyDisksStayAsTheyAre) {
    make_group("vg", {"/dev/ubda"},
               {{"-L12M", "-nroot", "vg"},
                {"-L4M", "-s", "-nsnap", "vg/root"},
                {"-L8M", "-T", "vg/pool", "-V20M", "-nthin"}});
    make_ext4("/dev/mapper/vg-root", "root");
    close_group("vg", {"/dev/ubda"});
    auto before = hash_of(0);
    set_read_only(0, true);

    auto stack = open({0});
    ASSERT_TRUE(stack) << render_text(stack.error());
    EXPECT_THAT(names_of(*stack), UnorderedElementsAre("vg/root", "vg/snap")) << why(*stack);
    EXPECT_TRUE(find(*stack, "vg/root")->read_only);
    ASSERT_EQ(stack->unopened().size(), 1U);
    EXPECT_EQ(stack->unopened()[0].volume, "vg/thin");
    EXPECT_EQ(stack->unopened()[0].error.code, Code::Unsupported);
    EXPECT_TRUE(stack->close());
    EXPECT_EQ(before, hash_of(0));
}

TEST_F(StorageLvm, ACopyOfADiskIsRefused) {
    make_group("vg", {"/dev/ubda"}, {{"-L8M", "-nroot", "vg"}});
    close_group("vg", {"/dev/ubda"});
    tool({"dd", "if=/dev/ubda", "of=/dev/ubdb", "bs=1M", "conv=fsync", "status=none"});
    auto stack = open({0, 1});
    ASSERT_TRUE(stack) << render_text(stack.error());
    EXPECT_THAT(names_of(*stack), ElementsAre("vg/root")) << why(*stack);
    ASSERT_EQ(stack->unopened().size(), 1U);
    EXPECT_EQ(stack->unopened()[0].error.code, Code::Exists);
    EXPECT_TRUE(stack->close());
}

TEST_F(StorageLvm, MirroredVolumeWithoutOneLeg) {
    load_target("raid");
    make_group("vg", {"/dev/ubda", "/dev/ubdb"},
               {{"--type", "raid1", "-m1", "-L8M", "--nosync", "-nroot", "vg"}});
    make_ext4("/dev/mapper/vg-root", "root");
    close_group("vg", {"/dev/ubda", "/dev/ubdb"});
    for (const auto& numbers : {std::vector<unsigned>{0, 1}, std::vector<unsigned>{1}}) {
        auto stack = open(numbers);
        ASSERT_TRUE(stack) << render_text(stack.error());
        EXPECT_EQ(find(*stack, "vg/root")->volume.label, "root");
        EXPECT_EQ(has_finding(*stack, "lvm-incomplete"), numbers.size() == 1);
        auto closed = stack->close();
        EXPECT_TRUE(closed) << render_text(closed.error());
    }
}

TEST_F(StorageLvm, BusyWhileInUseAndClosedAfterwards) {
    make_group("vg", {"/dev/ubda"}, {{"-L8M", "-nroot", "vg"}});
    close_group("vg", {"/dev/ubda"});
    auto stack = open({0});
    ASSERT_TRUE(stack) << render_text(stack.error());
    auto user = sys::open_file(find(*stack, "vg/root")->node, O_RDONLY);
    ASSERT_TRUE(user);
    auto closed = stack->close();
    ASSERT_FALSE(closed);
    EXPECT_EQ(mapped_names().size(), 1U);
    user->reset();
    EXPECT_TRUE(stack->close());
}

TEST_F(StorageLvm, DestructorClosesAll) {
    make_group("vg", {"/dev/ubda"}, {{"-L8M", "-nroot", "vg"}});
    close_group("vg", {"/dev/ubda"});
    {
        auto stack = open({0});
        ASSERT_TRUE(stack);
        EXPECT_EQ(mapped_names().size(), 1U);
    }
    EXPECT_THAT(mapped_names(), IsEmpty());
}

} // namespace
} // namespace slipway::storage
