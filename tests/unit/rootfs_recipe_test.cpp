// SPDX-License-Identifier: Apache-2.0
#include "rootfs/recipe.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/strings.hpp"
#include "rootfs/manifest.hpp"
#include "rootfs/mirror.hpp"
#include "rootfs/suites.hpp"

namespace slipway::rootfs {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

const Source jammy{.suite = "jammy",
                   .distribution = "ubuntu",
                   .mirror = "http://archive.ubuntu.com/ubuntu",
                   .archive = "http://archive.ubuntu.com/ubuntu",
                   .components = "main universe",
                   .keyring = "/usr/share/keyrings/ubuntu-archive-keyring.gpg",
                   .architecture = "amd64",
                   .snapshot = 1650000000};

TEST(Recipe, CommandForUbuntu) {
    Profile profile{.name = "p",
                    .packages = {"sudo", "bash", "libaio1 | libaio1t64", "bash"},
                    .optional_packages = {"fsverity"}};
    auto spec = mmdebstrap_spec(jammy, profile, "/c/new", {{"Acquire::http::Proxy", "http://p:1"}});
    EXPECT_THAT(
        spec.argv,
        ElementsAre(
            "mmdebstrap", "--mode=root", "--format=directory", "--variant=minbase",
            "--architectures=amd64",
            "--skip=check/empty,check/signed-by,chroot/mount/sys,cleanup/apt,essential/unlink",
            "--aptopt=APT::Sandbox::User \"root\"", "--aptopt=Acquire::Retries \"2\"",
            "--dpkgopt=force-unsafe-io", "--dpkgopt=path-exclude=/usr/share/locale/*",
            "--dpkgopt=path-exclude=/usr/share/man/?"
            "?/*",
            "--dpkgopt=path-exclude=/usr/share/man/?"
            "?[_.]*/*",
            "--dpkgopt=path-exclude=/usr/share/doc/*",
            "--dpkgopt=path-include=/usr/share/doc/*/copyright",
            "--aptopt=Acquire::http::Proxy \"http://p:1\"", "--include=bash",
            "--include=?or(?and(?exact-name(libaio1),?not(?virtual)),?and(?exact-name(libaio1t64),?"
            "not(?virtual)))",
            "--include=sudo", "--include=?and(?exact-name(fsverity),?not(?virtual))", "jammy",
            "/c/new",
            "deb [signed-by=/usr/share/keyrings/ubuntu-archive-keyring.gpg] "
            "http://archive.ubuntu.com/ubuntu jammy main universe"));
    EXPECT_THAT(spec.env, Contains("SOURCE_DATE_EPOCH=1650000000"));
}

TEST(Recipe, NothingIsInstalledUnauthenticated) {
    auto old = jammy;
    old.expired = true;
    auto spec = mmdebstrap_spec(old, {.name = "p"}, "/c", {});
    EXPECT_EQ(spec.argv.back(),
              "deb [check-valid-until=no signed-by=/usr/share/keyrings/"
              "ubuntu-archive-keyring.gpg] http://archive.ubuntu.com/ubuntu jammy "
              "main universe");
    EXPECT_THAT(join(spec.argv, " "), Not(HasSubstr("rusted")));
}

TEST(Recipe, KeysTellLayersApart) {
    Profile profile{.name = "p", .packages = {"b", "a"}};
    auto base = base_key(jammy, profile);
    EXPECT_EQ(base.size(), 32U);
    auto other = profile;
    other.packages = {"a", "b", "a"};
    EXPECT_EQ(base_key(jammy, other), base) << "the order is of no importance";
    other.files = {{.path = "/x", .content = "y"}};
    EXPECT_EQ(base_key(jammy, other), base) << "an edit that leaves packages alone keeps the base";
    EXPECT_NE(layer_key(base, other), layer_key(base, profile));
    other.packages = {"a"};
    EXPECT_NE(base_key(jammy, other), base);
    auto newer = jammy;
    newer.snapshot += 1;
    EXPECT_NE(base_key(newer, profile), base);
    auto other_keys = jammy;
    other_keys.keys = "k";
    EXPECT_NE(base_key(other_keys, profile), base) << "who vouched for a layer is part of it";
    auto elsewhere = jammy;
    elsewhere.mirror = "http://m/ubuntu";
    EXPECT_NE(base_key(elsewhere, profile), base);
}

Error failure(std::string_view said) {
    return explain_failure({.argv = {"mmdebstrap"}}, 25, said, jammy);
}

TEST(Recipe, ExplainsFailures) {
    // As mmdebstrap 1.3.5 and apt 2.6 print it.
    auto missing = failure("I: running apt-get update...\nE: Unable to locate package nosuchpkg\n"
                           "E: Unable to locate package other\nE: apt-get failed\n");
    EXPECT_EQ(missing.code, Code::NotFound);
    EXPECT_THAT(missing.what, HasSubstr("no package nosuchpkg, other"));
    EXPECT_THAT(failure("E: Package 'python2' has no installation candidate\n").what,
                HasSubstr("no package python2"));
    EXPECT_EQ(failure("E: You don't have enough free space in /var/cache/apt/archives/.").code,
              Code::NoSpace);
    EXPECT_EQ(failure("dpkg: error: cannot copy: No space left on device").code, Code::NoSpace);
    auto unsigned_ = failure("E: The repository 'http://a jammy InRelease' is not signed.");
    EXPECT_EQ(unsigned_.code, Code::Corrupt);
    EXPECT_THAT(unsigned_.hint, HasSubstr("--keyring"));
    EXPECT_EQ(failure("Temporary failure resolving 'a'").code, Code::NotFound);
    auto other = failure("dpkg: error processing package x");
    EXPECT_EQ(other.code, Code::ToolFailed);
    EXPECT_EQ(other.tool->exit_status, 25);
}

TEST(Suites, MirrorsOfADebianHost) {
    auto host = parse_host_sources("http://mirror.example/debian/ bookworm\n"
                                   "http://mirror.example/debian-security/ bookworm-security\n"
                                   "http://deb.example/node nodistro\n\nx\n");
    EXPECT_THAT(mirrors_of(*find_suite("trixie"), host),
                ElementsAre("http://mirror.example/debian", "http://deb.debian.org/debian",
                            "http://archive.debian.org/debian"));
    EXPECT_THAT(
        mirrors_of(*find_suite("jammy"), host),
        ElementsAre("http://archive.ubuntu.com/ubuntu", "http://old-releases.ubuntu.com/ubuntu"));
}

TEST(Suites, EveryReleaseOfTheIssueIsKnown) {
    for (const auto* name : {"jammy", "noble", "focal", "bionic"})
        EXPECT_EQ(find_suite(name)->distribution->name, "ubuntu") << name;
    for (const auto* name : {"bookworm", "trixie"})
        EXPECT_EQ(find_suite(name)->distribution->name, "debian") << name;
    EXPECT_FALSE(find_suite("warty"));
    EXPECT_EQ(find_distribution("Debian")->name, "debian");
    EXPECT_EQ(find_distribution("Fedora"), nullptr);
}

TEST(Suites, OfThisHost) {
    EXPECT_EQ(suite_of_host("ID=debian\nVERSION_CODENAME=bookworm\n"), "bookworm");
    EXPECT_EQ(suite_of_host("ID=ubuntu\nVERSION_CODENAME=\"noble\"\n"), "noble");
    EXPECT_EQ(suite_of_host("ID=fedora\n"), "trixie");
    EXPECT_EQ(suite_of_host("ID=linuxmint\nVERSION_CODENAME=wilma\n"), "trixie");
}

TEST(Suites, AMissingKeyringIsToldWithItsRemedy) {
    auto found =
        find_keyring({.name = "ubuntu", .keyrings = {"/nonexistent"}, .keyring_hint = "get it"});
    ASSERT_FALSE(found);
    EXPECT_EQ(found.error().code, Code::NotFound);
    EXPECT_THAT(found.error().what, HasSubstr("Ubuntu"));
    EXPECT_EQ(found.error().hint, "get it");
}

TEST(Mirror, ReadsARelease) {
    auto release =
        parse_release("-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\n"
                      "Origin: Debian\nCodename: bookworm\n"
                      "Date: Sat, 11 Jul 2026 10:16:37 UTC\nMD5Sum:\n 0 1 main/x:Date\n");
    ASSERT_TRUE(release);
    EXPECT_EQ(release->origin, "Debian");
    EXPECT_EQ(release->codename, "bookworm");
    EXPECT_EQ(iso_date(release->date), "2026-07-11T10:16:37Z");
    EXPECT_FALSE(parse_release("<html>log in</html>"));
    EXPECT_FALSE(parse_release("Date: yesterday\n"));
}

TEST(Manifest, ComesBackAsItWas) {
    Manifest manifest{.layer = "l",
                      .base = "b",
                      .suite = "bookworm",
                      .distribution = "debian",
                      .release = "Debian",
                      .architecture = "amd64",
                      .snapshot = 5,
                      .profile = {.name = "p", .packages = {"a1", "extra"}},
                      .added_packages = {"extra"},
                      .packages = {{"a1", "1:2-3"}}};
    auto back = manifest_from_json(to_json(manifest));
    ASSERT_TRUE(back);
    EXPECT_EQ(to_json(*back), to_json(manifest));
    EXPECT_THAT(plain_profile(*back).packages, ElementsAre("a1"));
    EXPECT_FALSE(manifest_from_json(Json::object()));
    EXPECT_FALSE(manifest_from_json(Json("text")));
    EXPECT_FALSE(manifest_from_json({{"schema", manifest_schema}}));
}

TEST(Manifest, PackagesOfDpkg) {
    auto installed =
        parse_packages("Package: bc\nStatus: install ok installed\nVersion: 1:2-3\n\n"
                       "Package: gone\nStatus: deinstall ok config-files\nVersion: 1\n");
    EXPECT_EQ(installed.at("bc"), "1:2-3");
    EXPECT_FALSE(installed.contains("gone"));
    EXPECT_THAT(missing_packages({.name = "p", .packages = {"bc", "x | bc", "y | z"}}, installed),
                ElementsAre("y | z"));
    EXPECT_THAT(parse_packages("\n\n:::\n"), IsEmpty());
}

} // namespace
} // namespace slipway::rootfs
