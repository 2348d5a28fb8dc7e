// SPDX-License-Identifier: Apache-2.0
#include "loading/manifest.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "http/signature.hpp"
#include "loading/digests.hpp"
#include "support/signing_keys.hpp"

namespace slipway::loading {
namespace {

using testing::HasSubstr;
using testing_support::make_key;

const std::string digest(64, 'a');

Manifest example() {
    return {.name = "debian.squashfs",
            .size = 1000,
            .sha256 = digest,
            .architecture = "x86_64",
            .unpacked = 5000,
            .block_size = 64 << 10,
            .blocks_sha256 = std::string(64, 'b')};
}

std::string with(std::string_view from, std::string_view to) {
    auto text = render_manifest(example());
    auto at = text.find(from);
    EXPECT_NE(at, std::string::npos) << from;
    return text.replace(at, from.size(), to);
}

TEST(Manifest, AsItWasWritten) {
    EXPECT_EQ(parse_manifest(render_manifest(example())).value(), example());
    Manifest least{.name = "a", .size = 1, .sha256 = digest, .architecture = "aarch64"};
    EXPECT_EQ(parse_manifest(render_manifest(least)).value(), least);
}

TEST(Manifest, WhatIsNoneIsToldWhy) {
    auto why = [](const std::string& text) {
        auto manifest = parse_manifest(text);
        return manifest ? "it was taken" : render_line(manifest.error());
    };
    EXPECT_THAT(why(""), HasSubstr("not valid JSON"));
    EXPECT_THAT(why("[]"), HasSubstr("no good \"format\""));
    EXPECT_THAT(why(with("\"format\": 1", "\"format\": 2")), HasSubstr("has format 2"));
    EXPECT_THAT(why(with("debian", "../debian")), HasSubstr("\"name\""));
    EXPECT_THAT(why(with("debian", "\\u001b[2J")), HasSubstr("\"name\""));
    EXPECT_THAT(why(with("\"debian.squashfs\"", "7")), HasSubstr("\"name\""));
    EXPECT_THAT(why(with("1000", "-1000")), HasSubstr("\"size\""));
    EXPECT_THAT(why(with("1000", "1e3")), HasSubstr("\"size\""));
    EXPECT_THAT(why(with("1000", "18446744073709551615")), HasSubstr("\"size\""));
    EXPECT_THAT(why(with(digest, "abc")), HasSubstr("\"sha256\""));
    EXPECT_THAT(why(with("x86_64", "x86 64")), HasSubstr("\"architecture\""));
    EXPECT_THAT(why(with("5000", "\"many\"")), HasSubstr("\"unpacked\""));
    EXPECT_THAT(why(with("65536", "65535")), HasSubstr("\"block_size\""));
    EXPECT_THAT(why(with("65536", "1")), HasSubstr("\"block_size\""));
    EXPECT_THAT(why(with(std::string(64, 'b'), "b")), HasSubstr("\"blocks_sha256\""));
    EXPECT_THAT(why(std::string(largest_manifest + 1, ' ')), HasSubstr("larger than"));
    EXPECT_THAT(why(std::string(60'000, '[')), HasSubstr("JSON"));
}

TEST(Manifest, IsSignedByOneOfTheKeys) {
    auto text = render_manifest(example());
    auto key = make_key();
    auto signature = http::sign(text, key.secret).value();
    EXPECT_EQ(signature.size(), 64);
    NamedKey lab{"lab.pem", key.open}, other{"x.pem", make_key().open};
    EXPECT_EQ(verify_manifest(text, signature, {other, lab}).value(), "lab.pem");
    EXPECT_EQ(verify_manifest(text, signature, {other}).error().code, Code::Permission);
    EXPECT_EQ(verify_manifest(text, signature, {}).error().code, Code::Permission);
    EXPECT_FALSE(verify_manifest(text + " ", signature, {lab}));
    EXPECT_FALSE(verify_manifest(text, signature.substr(1), {lab}));
    EXPECT_FALSE(verify_manifest(text, "", {lab}));
    signature[10] ^= 1;
    EXPECT_FALSE(verify_manifest(text, signature, {lab}));
}

TEST(Signing, WithWhatIsNoKey) {
    auto key = make_key();
    auto locked = make_key("-algorithm ed25519 -aes-128-cbc -pass pass:word");
    auto rsa = make_key("-algorithm RSA -pkeyopt rsa_keygen_bits:2048");
    for (const auto& secret : {key.open, std::string(), locked.secret, rsa.secret})
        EXPECT_EQ(http::sign("", secret).error().code, Code::InvalidArgument);
    for (const auto& open : {key.secret, std::string(), rsa.open})
        EXPECT_EQ(http::is_signed("", "", open).error().code, Code::InvalidArgument);
}

TEST(Digests, AsSha256sumWritesThem) {
    std::string other(64, 'B');
    EXPECT_EQ(digest_of("x", digest + "\n").value(), digest);
    EXPECT_EQ(digest_of("x", other).value(), std::string(64, 'b')) << "in lower case";
    EXPECT_EQ(digest_of("x", other + "  y\n" + digest + "  x\r\n").value(), digest);
    EXPECT_EQ(digest_of("x", "# of today\n" + digest + " *./images/x\n").value(), digest);
    EXPECT_EQ(digest_of("a b", digest + "  a b\n").value(), digest);
    EXPECT_EQ(digest_of("x", digest + "  xx\n").error().code, Code::NotFound);
    EXPECT_EQ(digest_of("x", digest + "\n" + other + "\n").error().code, Code::NotFound);
    for (const std::string odd : {"", "\n\n", "<html>", "abc  x\n"})
        EXPECT_EQ(digest_of("x", odd).error().code, Code::Corrupt) << odd;
}

} // namespace
} // namespace slipway::loading
