// SPDX-License-Identifier: Apache-2.0
// What is selected to run, the sections of a configuration, and what tests miss.
#include <array>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <memory>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fstests/groups.hpp"
#include "fstests/needs.hpp"
#include "fstests/sections.hpp"

using namespace slipway;
using namespace slipway::fstests;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

namespace {

Suite suite() {
    Suite suite;
    add_group_list(suite, "generic",
                   "# QA groups control file\n\n001 auto quick rw\n002 auto dangerous\n"
                   "003-with-a-name quick # not auto\nREADME\n");
    add_group_list(suite, "xfs", "001 auto quick\n");
    add_test(suite, "ext4", "001", "#! /bin/bash\n. ./common/preamble\n_begin_fstest auto quick\n");
    add_test(suite, "ext4", "001.out", "QA output created by 001\n");
    return suite;
}

Result<Selected> choose(const std::vector<std::string>& words, std::string_view fstype) {
    SLIPWAY_TRY(auto selection, parse_selection(words));
    return select(suite(), selection, fstype);
}

TEST(Selection, TakesGroupsOfGenericAndOfTheFileSystem) {
    EXPECT_THAT(choose({"-g", "quick"}, "xfs")->tests,
                ElementsAre("generic/001", "generic/003-with-a-name", "xfs/001"));
    EXPECT_THAT(choose({"-g", "quick"}, "ext3")->tests,
                ElementsAre("ext4/001", "generic/001", "generic/003-with-a-name"));
    EXPECT_THAT(choose({"-g", "xfs/quick"}, "ext4")->tests, ElementsAre("xfs/001"));
}

TEST(Selection, TakesTheGroupAutoWhereNothingIsSaid) {
    EXPECT_THAT(choose({}, "btrfs")->tests, ElementsAre("generic/001", "generic/002"));
    EXPECT_THAT(choose({"-x", "dangerous"}, "btrfs")->tests, ElementsAre("generic/001"));
}

TEST(Selection, TakesNamesAndPatterns) {
    EXPECT_THAT(choose({"tests/generic/002", "xfs/*"}, "ext4")->tests,
                ElementsAre("generic/002", "xfs/001"));
    EXPECT_THAT(choose({"generic/00?"}, "ext4")->tests, ElementsAre("generic/001", "generic/002"));
}

TEST(Selection, TellsWhatIsExpunged) {
    auto selected = choose({"-g", "auto", "-e", "generic/002,xfs/009"}, "xfs");
    EXPECT_THAT(selected->tests, ElementsAre("generic/001", "xfs/001"));
    EXPECT_THAT(selected->expunged, ElementsAre("generic/002"));
    EXPECT_THAT(parse_expunged("# why\ngeneric/001 # slow\n\n  xfs/002\n"),
                ElementsAre("generic/001", "xfs/002"));
}

TEST(Selection, RefusesWhatIsNotThere) {
    EXPECT_EQ(choose({"generic/999"}, "ext4").error().code, Code::NotFound);
    EXPECT_EQ(choose({"-g", "fast"}, "ext4").error().code, Code::NotFound);
    EXPECT_EQ(choose({"-n"}, "ext4").error().code, Code::InvalidArgument);
    EXPECT_EQ(choose({"-g"}, "ext4").error().code, Code::InvalidArgument);
    // As check does.
    EXPECT_THAT(choose({"generic/001", "-x", "fast"}, "ext4")->tests, ElementsAre("generic/001"));
}

TEST(Groups, AreCountedForAFileSystem) {
    auto groups = groups_of(suite(), "ext4");
    ASSERT_THAT(groups, SizeIs(4));
    EXPECT_EQ(groups[2].name, "quick");
    EXPECT_EQ(groups[2].tests, 3U);
    EXPECT_EQ(groups_of(suite(), "")[2].tests, 4U);
}

std::string fixture(const std::string& name) {
    std::ifstream file(SLIPWAY_SOURCE_DIR "/tests/fixtures/fstests/" + name, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
}

TEST(Config, LetsSectionsInherit) {
    auto config = parse_config(fixture("sections.config"), {});
    ASSERT_TRUE(config.has_value());
    ASSERT_THAT(config->sections, SizeIs(2));
    EXPECT_EQ(config->sections[0].name, "plain");
    EXPECT_EQ(config->sections[0].get("MKFS_OPTIONS"), "-b 4096");
    EXPECT_EQ(config->sections[1].get("FSTYP"), "ext4");
    EXPECT_EQ(config->sections[1].get("MKFS_OPTIONS"), "-b 1024");
}

TEST(Config, DropsOptionsOfAnotherFileSystem) {
    auto config = parse_config("[a]\nFSTYP=ext4\nMKFS_OPTIONS=-b 4096\nX=1\n[b]\nFSTYP=xfs\n"
                               "[c]\nMOUNT_OPTIONS='-o discard'\n",
                               {});
    EXPECT_EQ(config->sections[1].get("MKFS_OPTIONS"), "");
    EXPECT_EQ(config->sections[1].get("X"), "1");
    EXPECT_EQ(config->sections[2].get("FSTYP"), "xfs");
    EXPECT_EQ(config->sections[2].get("MOUNT_OPTIONS"), "-o discard");
}

TEST(Config, ReadsTheFirstSectionAndTheWantedOnes) {
    auto config = parse_config("[a]\nFSTYP=ext4\n[b]\nX=1\n[c]\nY=2\n", {"c"});
    ASSERT_THAT(config->sections, SizeIs(1));
    EXPECT_EQ(config->sections[0].get("FSTYP"), "ext4");
    EXPECT_EQ(config->sections[0].get("X"), "");
    EXPECT_EQ(config->sections[0].get("Y"), "2");
    EXPECT_EQ(parse_config("[a]\n", {"d"}).error().code, Code::NotFound);
}

TEST(Config, LeavesDevicesToUs) {
    auto config = parse_config("export TEST_DEV=/dev/sda1\nFSTYP = xfs # mine\n", {});
    ASSERT_TRUE(config.has_value());
    EXPECT_THAT(config->dropped, ElementsAre("TEST_DEV"));
    EXPECT_EQ(config->sections.at(0).name, "");
    EXPECT_EQ(config->sections.at(0).get("FSTYP"), "xfs");
    EXPECT_EQ(config->sections.at(0).get("TEST_DEV"), "");
}

TEST(Config, RefusesWhatIsNoSetting) {
    EXPECT_EQ(parse_config("[a]\nrm -rf /\n", {}).error().code, Code::InvalidArgument);
    EXPECT_EQ(parse_config("[a]\nX=1\n[a]\n", {}).error().code, Code::InvalidArgument);
    EXPECT_EQ(parse_config("X=1\n[a]\n", {}).error().code, Code::InvalidArgument);
}

TEST(Config, BecomesShell) {
    EXPECT_EQ(render_shell({{"A", "-o x,$Y"}}), "export A=\"-o x,$Y\"\n");
}

// What the shell of the machine makes of a value, as bash(1) says it.
TEST(Config, KeepsQuotesAndBackslashesOfAValue) {
    auto value = [](const std::string& line) {
        auto config = parse_config("X=" + line + "\n", {});
        auto script = render_shell(config->sections.at(0).settings) + "printf %s \"$X\"";
        ::setenv("SCRIPT", script.c_str(), 1);
        std::unique_ptr<FILE, int (*)(FILE*)> shell(::popen("bash -c \"$SCRIPT\" 2>&1", "r"),
                                                    ::pclose);
        std::array<char, 200> text{};
        return std::string(text.data(), std::fread(text.data(), 1, text.size(), shell.get()));
    };
    EXPECT_EQ(value(R"("-o context=\"a b\"")"), R"(-o context="a b")");
    EXPECT_EQ(value(R"('-L "a b"')"), R"(-L "a b")");
    EXPECT_EQ(value(R"(-o context="a b")"), R"(-o context="a b")");
    EXPECT_EQ(value(R"(a\)"), R"(a\)");
    EXPECT_EQ(value(R"("a\\")"), R"(a\)");
    EXPECT_EQ(value(R"("\$HOME")"), "$HOME");
    EXPECT_EQ(value(R"($(echo "a  b"))"), "a  b");
}

struct NeedCase {
    std::string reason;
    std::string kind;
    std::string name;
    std::string package{};
};
class Needs : public testing::TestWithParam<NeedCase> {};
TEST_P(Needs, AreNamed) {
    auto need = need_in(GetParam().reason).value_or(Need{});
    EXPECT_EQ(need.kind, GetParam().kind);
    EXPECT_EQ(need.name, GetParam().name);
    EXPECT_EQ(need.package, GetParam().package);
}
// As the tests of fstests word it.
INSTANTIATE_TEST_SUITE_P(
    OfReasons, Needs,
    testing::Values(
        NeedCase{"fio utility required, skipped this test", "program", "fio", "fio"},
        NeedCase{"lasttr utility required, skipped this test", "program", "lsattr", "e2fsprogs"},
        NeedCase{"frob utility required, skipped this test", "program", "frob"},
        NeedCase{"this test requires 'bc' tool for doing math operations", "program", "bc", "bc"},
        NeedCase{"xfs_fsr not found", "program", "xfs_fsr", "xfsprogs"},
        NeedCase{"This test requires dumpe2fs utility.", "program", "dumpe2fs", "e2fsprogs"},
        NeedCase{"dbench not found", "program", "dbench", "dbench"},
        NeedCase{"fsgqa2 user not defined.", "user", "fsgqa2"},
        NeedCase{"fsgqa cannot execute commands.", "user", "fsgqa"},
        NeedCase{"fsgqa group not defined.", "group", "fsgqa"},
        NeedCase{"This test requires dm flakey support", "kernel", "dm-flakey"},
        NeedCase{"scsi_debug module not found", "kernel", "scsi_debug"},
        NeedCase{"kernel doesn't support project feature on ext4", "kernel",
                 "project feature on ext4"},
        NeedCase{"This test requires a valid $LOGWRITES_DEV", "device", "LOGWRITES_DEV"},
        NeedCase{"/work/src/aio-dio-regress/x not built", "fstests", "x"},
        NeedCase{"not suitable for this filesystem type: ext4", "", ""},
        NeedCase{"xfs_io falloc failed (old kernel/wrong fs?)", "", ""}));

TEST(Needs, AreGatheredOverTests) {
    auto test = [](const std::string& name, const std::string& reason) {
        return fstests::Test{.name = name,
                             .attempts = {{.status = TestStatus::NotRun, .reason = reason}}};
    };
    auto needs = needs_of({test("generic/001", "fsgqa user not defined."),
                           test("generic/002", "fio utility required, skipped this test"),
                           test("generic/003", "fio utility required, skipped this test"),
                           test("generic/004", "not suitable for this filesystem type: ext4")});
    ASSERT_THAT(needs, SizeIs(2));
    EXPECT_EQ(needs[0].name, "fio");
    EXPECT_THAT(needs[0].tests, ElementsAre("generic/002", "generic/003"));
    EXPECT_THAT(packages_of(needs), ElementsAre("fio"));
    EXPECT_THAT(needs_of({}), IsEmpty());
}

} // namespace
