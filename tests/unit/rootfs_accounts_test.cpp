// SPDX-License-Identifier: Apache-2.0
#include "rootfs/accounts.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace slipway::rootfs {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

const AccountFiles debian{.passwd = "root:x:0:0:root:/root:/bin/bash\n"
                                    "daemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin\n",
                          .group = "root:x:0:\ndaemon:x:1:\ndisk:x:6:daemon\n",
                          .shadow = "root:*:20000:0:99999:7:::\ndaemon:*:20000:0:99999:7:::\n",
                          .gshadow = "root:*::\ndaemon:*::\ndisk:*::daemon\n"};

TEST(Accounts, AddsUsersAndGroups) {
    Profile profile{
        .name = "p",
        .groups = {{"fsgqa", 1002}},
        .users = {{.name = "fsqa",
                   .uid = 1000,
                   .gid = 1000,
                   .groups = {"fsgqa", "disk"},
                   .home = "/home/fsqa"},
                  {.name = "fsgqa", .uid = 1002, .gid = 1002, .home = "/h", .shell = "/bin/sh"}}};
    auto added = add_accounts(debian, profile, 20001);
    ASSERT_TRUE(added) << render_text(added.error());
    EXPECT_EQ(added->passwd, debian.passwd + "fsqa:x:1000:1000::/home/fsqa:/bin/bash\n"
                                             "fsgqa:x:1002:1002::/h:/bin/sh\n");
    EXPECT_EQ(added->group, "root:x:0:\ndaemon:x:1:\ndisk:x:6:daemon,fsqa\nfsgqa:x:1002:fsqa\n"
                            "fsqa:x:1000:\n");
    EXPECT_EQ(added->shadow, debian.shadow + "fsqa:!:20001:0:99999:7:::\n"
                                             "fsgqa:!:20001:0:99999:7:::\n");
    EXPECT_EQ(added->gshadow,
              "root:*::\ndaemon:*::\ndisk:*::daemon,fsqa\nfsgqa:!::fsqa\nfsqa:!::\n");
    EXPECT_THAT(missing_accounts(added->passwd, added->group, profile), IsEmpty());
    // Again it changes nothing.
    EXPECT_EQ(*add_accounts(*added, profile, 20002), *added);
}

TEST(Accounts, AFileWithoutItsLastNewlineIsWhole) {
    auto files = debian;
    files.passwd.pop_back();
    auto added = add_accounts(
        files, {.name = "p", .users = {{.name = "u", .uid = 7, .gid = 1, .home = "/u"}}}, 1);
    ASSERT_TRUE(added);
    EXPECT_EQ(added->passwd, debian.passwd + "u:x:7:1::/u:/bin/bash\n");
}

TEST(Accounts, RefusesNamesAndIdsThatAreTaken) {
    auto refused = [](const Profile& profile) {
        auto added = add_accounts(debian, profile, 1);
        return added ? "" : added.error().what;
    };
    EXPECT_THAT(refused({.name = "p", .groups = {{"daemon", 5}}}),
                HasSubstr("daemon has the gid 1"));
    EXPECT_THAT(refused({.name = "p", .groups = {{"new", 6}}}), HasSubstr("is disk's"));
    EXPECT_THAT(refused({.name = "p", .users = {{.name = "daemon", .uid = 7, .gid = 1}}}),
                HasSubstr("daemon has the ids 1:1"));
    EXPECT_THAT(refused({.name = "p", .users = {{.name = "new", .uid = 1, .gid = 1}}}),
                HasSubstr("is daemon's"));
    EXPECT_THAT(
        refused({.name = "p", .users = {{.name = "u", .uid = 7, .gid = 1, .groups = {"no"}}}}),
        HasSubstr("group no"));
}

TEST(Accounts, TellsWhatIsMissing) {
    Profile profile{.name = "p",
                    .groups = {{"g", 9}, {"disk", 7}},
                    .users = {{.name = "u", .uid = 7, .gid = 7},
                              {.name = "daemon", .uid = 1, .gid = 2, .groups = {"root", "disk"}}}};
    EXPECT_THAT(missing_accounts(debian.passwd, debian.group, profile),
                ElementsAre("the group g is missing", "the group disk has the gid 6, not 7",
                            "the user u is missing", "the user daemon has the ids 1:1, not 1:2",
                            "the user daemon is not in the group root"));
    EXPECT_THAT(missing_accounts("garbage\n::::::\nu:x:a:b:::\n", "\n:", {.name = "p"}), IsEmpty());
}

TEST(Accounts, OwnersByNameAndNumber) {
    EXPECT_EQ(find_owner("daemon:disk", debian)->uid, 1U);
    EXPECT_EQ(find_owner("daemon:disk", debian)->gid, 6U);
    EXPECT_EQ(find_owner("55:66", debian)->gid, 66U);
    EXPECT_FALSE(find_owner("nobody:root", debian));
    EXPECT_FALSE(find_owner("root:nobody", debian));
    EXPECT_FALSE(find_owner("70000:0", debian));
}

} // namespace
} // namespace slipway::rootfs
