// SPDX-License-Identifier: Apache-2.0
#include "rootfs/profile.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace slipway::rootfs {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

std::string mistake_in(const std::string& text) {
    auto parsed = parse_profile(text, "p.toml");
    EXPECT_FALSE(parsed);
    if (parsed)
        return "";
    EXPECT_EQ(parsed.error().code, Code::InvalidArgument);
    EXPECT_NE(parsed.error().hint, "");
    return parsed.error().what;
}

TEST(Profile, ReadsEveryKey) {
    auto parsed = parse_profile(R"(
name = "mine"
description = "what I test with"
suite = "trixie"
variant = "apt"
packages = ["bash", "libaio1 | libaio1t64"]
optional_packages = ["fsverity"]
commands = ["echo a > /a"]
checks = ["bash", "/etc/x"]
[[groups]]
name = "g"
gid = 1002
[[users]]
name = "123-u"
uid = 1001
gid = 1002
groups = ["disk"]
home = "/srv/u"
shell = "/bin/sh"
[[files]]
path = "/etc/x"
mode = "4750"
owner = "123-u:g"
content = "text"
)",
                                "p.toml");
    ASSERT_TRUE(parsed) << render_text(parsed.error());
    Profile wanted{
        .name = "mine",
        .description = "what I test with",
        .suite = "trixie",
        .variant = "apt",
        .packages = {"bash", "libaio1 | libaio1t64"},
        .optional_packages = {"fsverity"},
        .groups = {{"g", 1002}},
        .users = {{.name = "123-u",
                   .uid = 1001,
                   .gid = 1002,
                   .groups = {"disk"},
                   .home = "/srv/u",
                   .shell = "/bin/sh"}},
        .files = {{.path = "/etc/x", .mode = 04750, .owner = "123-u:g", .content = "text"}},
        .commands = {"echo a > /a"},
        .checks = {"bash", "/etc/x"}};
    EXPECT_EQ(*parsed, wanted);
    EXPECT_EQ(profile_from_json(to_json(*parsed)), wanted);
}

TEST(Profile, HasDefaults) {
    auto parsed = parse_profile("name = 'a'\n[[users]]\nname = 'u'\nuid = 1000\n", "p.toml");
    ASSERT_TRUE(parsed);
    EXPECT_EQ(parsed->variant, "minbase");
    EXPECT_EQ(parsed->users[0].gid, 1000U);
    EXPECT_EQ(parsed->users[0].home, "/home/u");
    EXPECT_EQ(parsed->users[0].shell, "/bin/bash");
}

TEST(Profile, TellsTheLineOfAMistake) {
    EXPECT_THAT(mistake_in("name = 'a'\npackages = [\n"), HasSubstr("p.toml, line "));
    EXPECT_THAT(mistake_in("name = 'a'\n\npackage = ['b']\n"),
                HasSubstr("line 3: 'package' is no key of a profile"));
    EXPECT_THAT(mistake_in("name = 'a'\npackages = 'bash'\n"),
                HasSubstr("line 2: packages is not a list of strings"));
    EXPECT_THAT(mistake_in("name = 'a'\n[[users]]\nname = 'u'\nuid = 7\nshel = '/bin/sh'\n"),
                HasSubstr("line 5: 'shel' is no key of users"));
    EXPECT_THAT(mistake_in("name = 'a'\n[[users]]\nname = 'u'\nuid = '7'\n"),
                HasSubstr("line 4: uid is not a number"));
    EXPECT_THAT(mistake_in("name = 'a'\nusers = ['u']\n"),
                HasSubstr("line 2: users is not tables"));
}

TEST(Profile, RefusesWhatNoSystemTakes) {
    EXPECT_THAT(mistake_in("packages = []\n"), HasSubstr("name"));
    EXPECT_THAT(mistake_in("name = '../a'\n"), HasSubstr("line 1: name"));
    EXPECT_THAT(mistake_in("name = 'a'\nsuite = 'a b'\n"), HasSubstr("suite"));
    EXPECT_THAT(mistake_in("name = 'a'\nvariant = 'custom'\n"), HasSubstr("variant"));
    EXPECT_THAT(mistake_in("name = 'a'\npackages = ['--force']\n"), HasSubstr("'--force'"));
    EXPECT_THAT(mistake_in("name = 'a'\npackages = ['a/b']\n"), HasSubstr("'a/b'"));
    EXPECT_THAT(mistake_in("name = 'a'\npackages = ['bash | ']\n"),
                HasSubstr("no name of a package"));
    EXPECT_THAT(mistake_in("name = 'a'\nchecks = ['a/b']\n"), HasSubstr("checks"));
    const std::string user = "name = 'a'\n[[users]]\nname = 'u'\n";
    EXPECT_THAT(mistake_in(user), HasSubstr("uid"));
    EXPECT_THAT(mistake_in(user + "uid = 0\n"), HasSubstr("uid"));
    EXPECT_THAT(mistake_in(user + "uid = 70000\n"), HasSubstr("uid"));
    EXPECT_THAT(mistake_in(user + "uid = 7\nhome = 'home'\n"), HasSubstr("home"));
    EXPECT_THAT(mistake_in(user + "uid = 7\nhome = '/a/../b'\n"), HasSubstr("home"));
    EXPECT_THAT(mistake_in(user + "uid = 7\nshell = '/bin/sh:0'\n"), HasSubstr("colon"));
    EXPECT_THAT(mistake_in(user + "uid = 7\n[[users]]\nname = 'u'\nuid = 8\n"),
                HasSubstr("u (7) is there already"));
    EXPECT_THAT(mistake_in(user + "uid = 7\n[[users]]\nname = 'v'\nuid = 7\n"),
                HasSubstr("u (7) is there already"));
    EXPECT_THAT(mistake_in("name = 'a'\n[[users]]\nname = 'a:b'\nuid = 7\n"), HasSubstr("name"));
    EXPECT_THAT(mistake_in("name = 'a'\n[[files]]\npath = 'x'\n"), HasSubstr("path"));
    for (const std::string path : {"/tmp/x", "/run", "//run/x", "/dev/null"})
        EXPECT_THAT(mistake_in("name = 'a'\n[[files]]\npath = '" + path + "'\n"),
                    HasSubstr("does not stay in a root"));
    EXPECT_THAT(mistake_in("name = 'a'\n[[files]]\npath = '/etc/slipway-rootfs.json'\n"),
                HasSubstr("Slipway's own"));
    EXPECT_THAT(mistake_in("name = 'a'\n[[files]]\npath = '/x'\nmode = '8'\n"), HasSubstr("octal"));
    EXPECT_THAT(mistake_in("name = 'a'\n[[files]]\npath = '/x'\nowner = 'root'\n"),
                HasSubstr("USER:GROUP"));
}

TEST(Profile, HashChangesWithWhatIsInTheRootAlone) {
    Profile profile{.name = "a", .packages = {"bash"}};
    auto hash = hash_of(profile);
    EXPECT_EQ(hash.size(), 64U);
    profile.description = "other";
    EXPECT_EQ(hash_of(profile), hash);
    profile.packages.push_back("bc");
    EXPECT_NE(hash_of(profile), hash);
}

TEST(Profile, ShippedOnesAreRight) {
    EXPECT_THAT(shipped_profiles(), ElementsAre("fstests", "minimal", "selftests"));
    EXPECT_FALSE(shipped_profile("other"));
    for (const auto& name : shipped_profiles()) {
        auto parsed = parse_profile(*shipped_profile(name), name);
        ASSERT_TRUE(parsed) << render_text(parsed.error());
        EXPECT_EQ(parsed->name, name);
        EXPECT_FALSE(parsed->checks.empty());
    }
}

// The users of the issue and of fstests' README; see spec/test-rootfs.md.
TEST(Profile, FstestsHasItsUsers) {
    auto profile = parse_profile(*shipped_profile("fstests"), "fstests");
    ASSERT_TRUE(profile);
    EXPECT_THAT(profile->groups, ElementsAre(ProfileGroup{"fsgqa", 1002}));
    std::map<std::string, std::pair<unsigned, unsigned>> ids;
    for (const auto& user : profile->users)
        ids[user.name] = {user.uid, user.gid};
    EXPECT_EQ(ids.at("fsqa"), std::pair(1000U, 1000U));
    EXPECT_EQ(ids.at("fsgqa2"), std::pair(1001U, 1001U));
    EXPECT_EQ(ids.at("fsgqa").second, 1002U);
    EXPECT_TRUE(ids.contains("123456-fsgqa"));
    EXPECT_THAT(profile->users[0].groups, ElementsAre("fsgqa"));
}

TEST(Profile, NamesOfRootsAndPackages) {
    for (const auto* good : {"a", "fstests", "my-root.2", "9_a"})
        EXPECT_TRUE(is_root_name(good)) << good;
    for (const auto* bad : {"", ".", "..", "-a", ".a", "a/b", "a b", "a\n"})
        EXPECT_FALSE(is_root_name(bad)) << bad;
    EXPECT_FALSE(is_root_name(std::string(65, 'a')));
    EXPECT_TRUE(is_package_name("libstdc++6"));
    for (const auto* bad : {"", "a", "Bash", "-ab", "a=1", "a b", "?name", "a,b"})
        EXPECT_FALSE(is_package_name(bad)) << bad;
}

} // namespace
} // namespace slipway::rootfs
