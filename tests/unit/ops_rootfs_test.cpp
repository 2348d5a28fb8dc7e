// SPDX-License-Identifier: Apache-2.0
#include "ops/rootfs.hpp"

#include <filesystem>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ops/root_place.hpp"
#include "ops/rootfs_steps.hpp"

namespace slipway::ops {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

rootfs::Facts good() {
    rootfs::Facts facts;
    facts.manifest = rootfs::Manifest{.layer = "l",
                                      .suite = "s",
                                      .snapshot = 1000,
                                      .profile = {.name = "p", .packages = {"bash"}}};
    return facts;
}

TEST(JudgeRoot, Ready) {
    auto facts = good();
    EXPECT_EQ(judge_root(facts, facts.manifest->profile, 1000).state, RootState::Ready);
    EXPECT_EQ(judge_root(facts, std::nullopt, 0).state, RootState::Ready);
}

TEST(JudgeRoot, StaleWhenProfileRecipeOrMirrorChanged) {
    auto facts = good();
    auto changed = facts.manifest->profile;
    changed.packages.emplace_back("bc");
    auto judged = judge_root(facts, changed, 2000);
    EXPECT_EQ(judged.state, RootState::Stale);
    EXPECT_THAT(judged.problems,
                ElementsAre(HasSubstr("profile p has changed"), HasSubstr("the mirror has")));
    facts.manifest->recipe += 1;
    EXPECT_THAT(judge_root(facts, std::nullopt, 0).problems, ElementsAre(HasSubstr("recipe")));
}

TEST(JudgeRoot, PartialAndBroken) {
    auto facts = good();
    facts.missing = {"the user u is missing"};
    EXPECT_EQ(judge_root(facts, std::nullopt, 2000).state, RootState::Partial);
    EXPECT_EQ(judge_root(facts, std::nullopt, 2000).problems, facts.missing);
    facts.unusable = {"/bin/sh is missing"};
    EXPECT_EQ(judge_root(facts, std::nullopt, 0).state, RootState::Broken);
    rootfs::Facts none;
    none.manifest_error = {.code = Code::Corrupt, .what = "no manifest"};
    EXPECT_THAT(judge_root(none, std::nullopt, 0).problems, ElementsAre("no manifest"));
}

TEST(TestRoot, TellsItsReleaseAsFarAsItIsKnown) {
    EXPECT_EQ(release_of({.suite = "bookworm", .release = "Debian 12"}), "bookworm (Debian 12)");
    EXPECT_EQ(release_of({.release = "Debian 12"}), "Debian 12");
    EXPECT_EQ(release_of({}), "unknown");
}

TEST(RootFormat, ComeByName) {
    for (auto format : {RootFormat::Directory, RootFormat::Tar, RootFormat::Squashfs,
                        RootFormat::Erofs, RootFormat::Qcow2})
        EXPECT_EQ(*parse_root_format(name_of(format)), format);
    EXPECT_FALSE(parse_root_format("zip"));
}

TEST(RootPath, NamesAndPaths) {
    EXPECT_FALSE(root_path("..")) << "no name";
    EXPECT_FALSE(root_path(""));
    EXPECT_EQ(*root_path("/a/./b//../c/"), "/a/c");
    EXPECT_EQ(*root_path("/"), "/");
    EXPECT_THAT(*root_path("name"), HasSubstr("/slipway/rootfs/name"));
}

TEST(RootLeftovers, AreKnownByTheirNames) {
    auto scratch = std::string(testing::TempDir()) + "/roots";
    for (const auto* name : {".a.slipway-new", ".b.slipway-old", "c.slipway-new", ".slipway-new",
                             ".d.slipway-newer", "e"})
        std::filesystem::create_directories(scratch + "/" + name);
    EXPECT_THAT(
        root_leftovers(scratch),
        testing::UnorderedElementsAre(scratch + "/.a.slipway-new", scratch + "/.b.slipway-old"));
    EXPECT_THAT(root_leftovers(scratch + "/nothing"), IsEmpty());
    std::filesystem::remove_all(scratch);
}

} // namespace
} // namespace slipway::ops
