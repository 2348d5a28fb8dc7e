// SPDX-License-Identifier: Apache-2.0
#include "loading/loader.hpp"

#include <gmock/gmock.h>

#include "support/loader_case.hpp"

namespace slipway::loading {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;
using testing_support::make_key;

// What is looked at of it is there.
std::string squashfs(std::size_t size = 200'000) {
    std::string content(size, '\0');
    return content.replace(0, 4, "hsqs");
}

class Loads : public testing_support::LoaderCase {};

TEST_F(Loads, WithTheDigestThatWasGiven) {
    serve("/a.img", squashfs());
    auto image = fetch({"/a.img"}, sha256(squashfs()));
    ASSERT_TRUE(image) << render_text(image.error());
    EXPECT_EQ(asked(), "GET /a.img");
    EXPECT_EQ(image->format, "squashfs");
    EXPECT_EQ(image->size, 200'000);
    EXPECT_EQ(Loader(options_).list(), std::vector{*image});
    EXPECT_THAT(why({"/a.img"}, std::string(64, 'a')), HasSubstr("not aaaa"));
    EXPECT_EQ(Loader(options_).list().size(), 1);
    EXPECT_FALSE(fs::exists(top_ / "images/.new"));
}

TEST_F(Loads, WithTheDigestBesideTheImage) {
    serve("/a.img", squashfs());
    serve("/a.img.sha256", std::string(64, 'a') + "  b.img\n" + sha256(squashfs()) + " *./a.img\n");
    EXPECT_EQ(why({"/a.img?v=1"}), "");
    EXPECT_THAT(said(), AllOf(HasSubstr("verified by http://"), Not(HasSubstr("NOT VERIFIED"))));
    serve("/a.img.sha256", std::string(64, 'a'));
    EXPECT_THAT(why({"/a.img"}), HasSubstr("it has the digest " + sha256(squashfs())));
}

TEST_F(Loads, WithoutAnyDigestLoudly) {
    serve("/a.img", squashfs());
    EXPECT_EQ(why({"/a.img"}), "");
    EXPECT_THAT(said_, testing::ElementsAre(HasSubstr("fetched 195 KiB, squashfs, SHA-256 "),
                                            HasSubstr("WARNING: the image is NOT VERIFIED")));
    for (const auto& [content, status, told] :
         {std::tuple{"<html>", 200, "no list of SHA-256 digests"},
          std::tuple{"", 500, "the server says 500"}, std::tuple{"", 403, "the server says 403"}}) {
        said_.clear();
        serve("/a.img.sha256", content, status);
        EXPECT_EQ(why({"/a.img"}), "");
        EXPECT_THAT(said(),
                    AllOf(HasSubstr(told), HasSubstr("WARNING: the image is NOT VERIFIED")));
    }
}

TEST_F(Loads, FromTheStoreWhereItIsTheSame) {
    serve("/a.img", squashfs());
    auto digest = sha256(squashfs());
    EXPECT_EQ(why({"/a.img"}, digest), "");
    EXPECT_EQ(why({"/a.img"}, digest), "");
    EXPECT_EQ(asked(), "GET /a.img");
    EXPECT_THAT(said(), EndsWith("is here already"));
    std::ofstream(top_ / "images" / digest, std::ios::app) << "x";
    EXPECT_EQ(why({"/a.img"}, digest), "") << "damaged since, and fetched again";
    EXPECT_EQ(asked(), "GET /a.img");
    EXPECT_THAT(said(), HasSubstr("has the digest"));
}

TEST_F(Loads, FromAMirrorWhereTheFirstHasAnother) {
    serve("/a.img", "<html>");
    serve("/b.img", squashfs(100));
    serve("/c.img", squashfs());
    auto image = fetch({"/none.img", "/a.img", "/b.img", "/c.img"}, sha256(squashfs()));
    ASSERT_TRUE(image) << render_text(image.error());
    EXPECT_THAT(image->url, EndsWith("/c.img"));
    EXPECT_THAT(said(),
                AllOf(HasSubstr("404"), HasSubstr("a web page"), HasSubstr("it has the digest")));
}

TEST_F(Loads, OfWhatIsNoImage) {
    std::string disk(2000, '\0');
    disk.replace(0, 4, "QFI\xfb");
    serve("/page", "<!DOCTYPE html><html>not here</html>");
    serve("/disk", disk);
    serve("/text", "hello\n");
    serve("/nothing", "");
    EXPECT_THAT(why({"/missing"}), AllOf(HasSubstr("/missing"), HasSubstr("404")));
    EXPECT_THAT(why({"/page"}), HasSubstr("a web page"));
    EXPECT_THAT(why({"/disk"}), HasSubstr("a qcow2 disk\n  try: `slipway netboot serve`"));
    EXPECT_THAT(why({"/text"}), HasSubstr("no format that is known"));
    EXPECT_THAT(why({"/nothing"}), HasSubstr("no format that is known"));
    EXPECT_TRUE(Loader(options_).list().empty());
}

TEST_F(Loads, SignedOnesWhereAKeyIsBuiltIn) {
    auto key = make_key();
    build_in(key);
    std::ofstream(top_ / "trust/keys/README") << "no key\n";
    serve("/a.img", squashfs());
    serve_signed(manifest_of("a.img", squashfs()), key);
    auto image = fetch({"/a.img"});
    ASSERT_TRUE(image) << render_text(image.error());
    EXPECT_EQ(image->trusted_by, "the key lab.pem");
    EXPECT_THAT(why({"/a.img"}, std::string(64, 'a')),
                HasSubstr("the signed one " + image->digest));
    EXPECT_EQ(why({"/a.img"}, image->digest), "");
    EXPECT_EQ(why({"/none.img", "/a.img"}), "") << "a mirror's manifest will do";
}

TEST_F(Loads, NoneThatIsNotSignedWhereAKeyIsBuiltIn) {
    auto key = make_key(), other = make_key();
    build_in(key);
    auto digest = sha256(squashfs());
    serve("/a.img", squashfs());
    serve("/a.img.sha256", digest);
    EXPECT_THAT(why({"/a.img"}, digest), AllOf(HasSubstr("no signed manifest of a.img"),
                                               HasSubstr("takes signed images only")));
    auto manifest = manifest_of("a.img", squashfs());
    serve("/a.img.manifest", render_manifest(manifest));
    EXPECT_THAT(why({"/a.img"}, digest), HasSubstr("manifest.sig: the server says 404"));
    serve_signed(manifest, other);
    EXPECT_THAT(why({"/a.img"}, digest), HasSubstr("of none of the keys built in"));
    serve_signed(manifest, key);
    serve("/a.img.manifest", render_manifest(manifest) + "\n");
    EXPECT_THAT(why({"/a.img"}, digest), HasSubstr("of none of the keys built in"));
    serve("/a.img.manifest.sig", std::string(65, 's'));
    EXPECT_THAT(why({"/a.img"}, digest), HasSubstr("it has 65 B, and there is room for 64 B"));
    serve("/b.img", squashfs());
    serve("/b.img.manifest", render_manifest(manifest));
    serve("/b.img.manifest.sig", http::sign(render_manifest(manifest), key.secret).value());
    EXPECT_THAT(why({"/b.img"}), HasSubstr("is the manifest of a.img"));
    EXPECT_THAT(asked(), Not(HasSubstr("GET /a.img,")));
    EXPECT_TRUE(Loader(options_).list().empty());
}

TEST_F(Loads, NoneThatIsNotAsTheManifestSays) {
    auto key = make_key();
    build_in(key);
    auto manifest = manifest_of("a.img", squashfs());
    serve_signed(manifest, key);
    serve("/a.img", squashfs(1000));
    EXPECT_THAT(why({"/a.img"}), HasSubstr("it has 1000 bytes, not 200000"));
    auto changed = squashfs();
    changed.back() = 'x';
    serve("/a.img", changed);
    EXPECT_THAT(why({"/a.img"}), HasSubstr("it has the digest"));
    asked();
    manifest.architecture = own_machine() == "s390x" ? "x86_64" : "s390x";
    serve_signed(manifest, key);
    EXPECT_THAT(why({"/a.img"}), HasSubstr("the image is for " + manifest.architecture));
    EXPECT_THAT(asked(), Not(EndsWith("GET /a.img")));
}

TEST_F(Loads, NoneWhereAKeyIsBroken) {
    std::ofstream(top_ / "trust/keys/lab.pem") << "-----BEGIN PUBLIC KEY-----\n";
    serve("/a.img", squashfs());
    EXPECT_THAT(why({"/a.img"}, sha256(squashfs())),
                AllOf(HasSubstr("lab.pem"), HasSubstr("no public")));
}

TEST_F(Loads, WhatFitsIntoMemory) {
    serve("/a.img", squashfs(10 << 20));
    options_.memory = std::uint64_t{70} << 20;
    EXPECT_THAT(why({"/a.img"}),
                HasSubstr("needs 74 MiB of memory (10 MiB for itself, 64 MiB to work with), and "
                          "70 MiB are free"));
    options_.memory = std::uint64_t{80} << 20;
    EXPECT_EQ(why({"/a.img"}), "");
    std::string tar(5 << 20, '\0');
    tar.replace(0, 2, "\x1f\x8b");
    serve("/a.tar.gz", tar);
    EXPECT_THAT(why({"/a.tar.gz"}), HasSubstr("needs 84 MiB of memory (5 MiB for itself, about 15 "
                                              "MiB for what is in it,"));
    tar.replace(257, 5, "ustar").replace(0, 2, "ab");
    serve("/a.tar", tar);
    EXPECT_EQ(why({"/a.tar"}), "");
    auto key = make_key();
    build_in(key);
    auto manifest = manifest_of("a.tar", tar);
    manifest.unpacked = 200 << 20;
    serve_signed(manifest, key);
    ImageStore(options_.images).remove(manifest.sha256);
    EXPECT_THAT(why({"/a.tar"}), HasSubstr("needs 269 MiB"));
}

TEST_F(Loads, OldImagesGiveWay) {
    auto image = squashfs();
    serve("/a.img", image);
    EXPECT_EQ(why({"/a.img"}), "");
    options_.memory = std::uint64_t{64} << 20;
    image.back() = 'x';
    serve("/b.img", image);
    EXPECT_THAT(why({"/b.img"}), HasSubstr("64 MiB are free"));
    EXPECT_THAT(said(), HasSubstr("/a.img gives way"));
    EXPECT_TRUE(Loader(options_).list().empty());
}

TEST_F(Loads, AreVerifiedAgain) {
    serve("/a.img", squashfs());
    auto image = fetch({"/a.img"}).value();
    Loader loader(options_);
    EXPECT_TRUE(loader.verify("", cancel_));
    EXPECT_TRUE(loader.verify(to_lower(image.digest).substr(0, 6), cancel_));
    EXPECT_THAT(said_.back(), EndsWith("is as it was fetched"));
    EXPECT_EQ(loader.verify("fff0", cancel_).error().code, Code::NotFound);
    std::ofstream(top_ / "images" / image.digest) << "x";
    EXPECT_TRUE(loader.verify(image.digest, cancel_));
    EXPECT_THAT(said_.back(), HasSubstr("has the digest"));
    EXPECT_THAT(render_image({.digest = "d", .size = 1 << 20, .format = "squashfs", .url = "u"}),
                AllOf(HasSubstr("1 MiB, squashfs, fetched 1970-01-01 00:00:00 UTC\n"),
                      HasSubstr("NOT VERIFIED")));
}

TEST_F(Loads, StopOnRequest) {
    serve("/a.img", squashfs());
    cancel_.request();
    EXPECT_EQ(fetch({"/a.img"}).error().code, Code::Cancelled);
}

} // namespace
} // namespace slipway::loading
