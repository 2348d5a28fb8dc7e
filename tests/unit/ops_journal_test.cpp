// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "ops/journal_group.hpp"

namespace slipway::ops {
namespace {

const JournalGroup group{"0123456789abcdef", "/vm/a.raw.slipway-group"};

TEST(JournalMark, OfOneImageIsItsInode) {
    EXPECT_EQ(to_text(JournalMark{"42"}, "/vm/a.raw"), "slipway-overlay-of-inode-42");
    EXPECT_EQ(parse_journal_mark("slipway-overlay-of-inode-42", "/vm/a.raw"), JournalMark{"42"});
}

TEST(JournalMark, OfAGroupReadsBackFromAnyDirectory) {
    for (const char* image : {"/vm/b.raw", "/other/b.raw", "/b.raw"}) {
        JournalMark mark{"42", group};
        EXPECT_EQ(parse_journal_mark(to_text(mark, image), image), mark) << image;
    }
}

TEST(JournalMark, FollowsImagesThatMoveTogether) {
    auto text = to_text(JournalMark{"42", group}, "/vm/b.raw");
    auto moved = parse_journal_mark(text, "/new/b.raw");
    ASSERT_TRUE(moved.group);
    EXPECT_EQ(moved.group->list, "/new/a.raw.slipway-group");
}

TEST(JournalMark, KeepsNamesOfAnyBytesAsPrintableText) {
    JournalGroup odd{"0123456789abcdef", "/vm/a -of- \xff\n%41.slipway-group"};
    for (const char* image : {"/vm/b.raw", "/other/b.raw"}) {
        auto text = to_text(JournalMark{"42", odd}, image);
        for (char c : text)
            EXPECT_TRUE(c > ' ' && c < 0x7f) << text;
        EXPECT_EQ(parse_journal_mark(text, image), (JournalMark{"42", odd}));
    }
}

TEST(JournalMark, IsNoProtocolOfQemu) {
    JournalGroup odd{"0123456789abcdef", "/vm/nbd:a.raw.slipway-group"};
    for (const char* image : {"/vm/b.raw", "/other/b.raw"})
        EXPECT_EQ(to_text(JournalMark{"42", odd}, image).find(':'), std::string::npos);
}

TEST(JournalMark, OfSomethingElseBelongsToNoImage) {
    for (const char* text : {"", "base.qcow2", "slipway-overlay-of-inode-42-group-x"})
        EXPECT_EQ(parse_journal_mark(text, "/vm/a.raw"), JournalMark{}) << text;
}

TEST(GroupList, ReadsBack) {
    GroupList list{"0123456789abcdef", {"/vm/b.raw", "/other/c d%.qcow2"}};
    auto text = to_text(list, group.list);
    EXPECT_EQ(text, "slipway-group 0123456789abcdef\nb.raw\n/other/c%20d%25.qcow2\n");
    auto read = parse_group_list(text, group.list);
    ASSERT_TRUE(read) << render_text(read.error());
    EXPECT_EQ(read->id, list.id);
    EXPECT_EQ(read->others, list.others);
}

TEST(GroupList, BearsThatAPersonTookALineOut) {
    auto read = parse_group_list("slipway-group 0123456789abcdef\n\n", group.list);
    ASSERT_TRUE(read);
    EXPECT_TRUE(read->others.empty());
}

TEST(GroupList, IsNotReadFromAnythingElse) {
    for (const char* text : {"", "\n", "slipway-group", "other 0123456789abcdef\n"})
        EXPECT_EQ(parse_group_list(text, group.list).error().code, Code::Corrupt) << text;
}

TEST(DisksOf, AnImageAreItAndItsFurtherDisks) {
    ImageOptions image;
    image.path = "a";
    image.further_disks = {"b", "c"};
    image.allow_backing = true;
    auto disks = disks_of(image, Use::Keep);
    ASSERT_EQ(disks.size(), 3);
    EXPECT_EQ(disks[2].path, "c");
    EXPECT_TRUE(disks[2].allow_backing);
    EXPECT_EQ(disks[0].use, Use::Keep);
}

} // namespace
} // namespace slipway::ops
