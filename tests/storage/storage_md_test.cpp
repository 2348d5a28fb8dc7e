// SPDX-License-Identifier: Apache-2.0
#include "storage/storage_disks.hpp"

namespace slipway::storage {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

class StorageMd : public StorageTest {
protected:
    void make_filled_array(const std::string& level, const Words& members,
                           const std::string& name = "data") {
        make_array(level, members, name);
        make_ext4("/dev/md0", name);
        tool({"mdadm", "--stop", "/dev/md0"});
    }
};

TEST_F(StorageMd, LevelsWithAllMembers) {
    const std::vector<std::pair<std::string, std::vector<unsigned>>> levels{
        {"0", {0, 1}}, {"1", {0, 1}}, {"5", {0, 1, 2}}, {"10", {0, 1, 2, 3}}};
    for (const auto& [level, numbers] : levels) {
        SCOPED_TRACE("level " + level);
        Words members;
        for (auto number : numbers) {
            wipe(node_of(number));
            members.push_back(node_of(number));
        }
        make_filled_array(level, members);
        auto stack = open(numbers);
        ASSERT_TRUE(stack) << render_text(stack.error());
        EXPECT_EQ(find(*stack, "md:data")->volume.label, "data");
        EXPECT_FALSE(find(*stack, "md:data")->read_only);
        EXPECT_THAT(stack->findings(), IsEmpty());
        // It can be written, and what was written comes back.
        auto fd = sys::open_file(find(*stack, "md:data")->node, O_RDWR);
        ASSERT_TRUE(fd && sys::write_all_at(*fd, "marker", 1 << 20));
        fd->reset();
        auto closed = stack->close();
        EXPECT_TRUE(closed) << render_text(closed.error());
        auto again = open(numbers);
        ASSERT_TRUE(again) << render_text(again.error());
        std::string text(6, '\0');
        fd = sys::open_file(find(*again, "md:data")->node, O_RDONLY);
        ASSERT_TRUE(fd);
        EXPECT_TRUE(sys::read_exactly_at(*fd, std::as_writable_bytes(std::span(text)), 1 << 20));
        EXPECT_EQ(text, "marker");
        fd->reset();
        EXPECT_TRUE(again->close());
    }
}

TEST_F(StorageMd, DegradedMirrorOpensAndIsTold) {
    make_filled_array("1", {"/dev/ubda", "/dev/ubdb"});
    auto stack = open({1});
    ASSERT_TRUE(stack) << render_text(stack.error());
    EXPECT_EQ(find(*stack, "md:data")->volume.label, "data");
    ASSERT_EQ(stack->findings().size(), 1U);
    EXPECT_EQ(stack->findings()[0].id, "md-degraded");
    EXPECT_THAT(stack->findings()[0].text, HasSubstr("raid1 array runs without 1 of its 2"));
    EXPECT_TRUE(stack->close());
}

TEST_F(StorageMd, ArrayThatLacksTooMuchStaysClosed) {
    make_filled_array("0", {"/dev/ubda", "/dev/ubdb"});
    auto stack = open({0});
    ASSERT_TRUE(stack) << render_text(stack.error());
    EXPECT_THAT(names_of(*stack), IsEmpty());
    ASSERT_EQ(stack->unopened().size(), 1U);
    EXPECT_EQ(stack->unopened()[0].volume, "sda");
    EXPECT_TRUE(stack->close());
}

TEST_F(StorageMd, ReadOnlyMembersStayAsTheyAre) {
    make_filled_array("1", {"/dev/ubda", "/dev/ubdb"});
    auto first = hash_of(0), second = hash_of(1);
    set_read_only(0, true);
    set_read_only(1, true);
    for (const auto& numbers : {std::vector<unsigned>{0, 1}, std::vector<unsigned>{0}}) {
        auto stack = open(numbers);
        ASSERT_TRUE(stack) << render_text(stack.error());
        EXPECT_TRUE(find(*stack, "md:data")->read_only);
        EXPECT_EQ(find(*stack, "md:data")->volume.label, "data");
        EXPECT_TRUE(stack->close());
    }
    EXPECT_EQ(first, hash_of(0));
    EXPECT_EQ(second, hash_of(1));
}

TEST_F(StorageMd, TwoArraysOfOneName) {
    make_filled_array("1", {"/dev/ubda", "/dev/ubdb"}, "0");
    make_filled_array("1", {"/dev/ubdc", "/dev/ubdd"}, "0");
    auto stack = open({0, 1, 2, 3});
    ASSERT_TRUE(stack) << render_text(stack.error());
    EXPECT_EQ(stack->volumes().size(), 2U) << why(*stack);
    for (const auto& each : stack->volumes())
        EXPECT_THAT(each.volume.name, testing::MatchesRegex("md:0@[0-9a-f]{8}"));
    EXPECT_TRUE(has_finding(*stack, "md-duplicate-name"));
    EXPECT_TRUE(stack->close());
}

} // namespace
} // namespace slipway::storage
