// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "archive/compress.hpp"
#include "archive/digest.hpp"
#include "archive/pack.hpp"
#include "sys/fd.hpp"

namespace slipway::archive {
namespace {

std::string digest_of(std::string_view type, std::string_view text) {
    auto digest = open_digest(type);
    EXPECT_TRUE(digest);
    // In pieces that suit no block of any kind.
    for (; !text.empty(); text.remove_prefix(std::min<std::size_t>(11, text.size())))
        (*digest)->add(text.substr(0, 11));
    return (*digest)->finish();
}

TEST(Digest, IsThatOfTheToolsOfCoreutils) {
    EXPECT_EQ(digest_of("crc", ""), "4294967295");
    EXPECT_EQ(digest_of("crc", "123456789"), "930766865");
    EXPECT_EQ(digest_of("crc", "The quick brown fox jumps over the lazy dog"), "2074844392");
    EXPECT_EQ(digest_of("md5", "The quick brown fox jumps over the lazy dog"),
              "9e107d9d372bb6826bd81d3542a419d6");
    EXPECT_FALSE(open_digest("md4"));
}

TEST(Pack, ExcludesAsTarDoes) {
    EXPECT_TRUE(is_excluded("./sub/b", {"b*"}));
    EXPECT_TRUE(is_excluded("./sub/c", {"sub/*"}));
    EXPECT_TRUE(is_excluded("./sub/deep/c", {"sub/*"}));
    EXPECT_FALSE(is_excluded("./sub", {"sub/*"}));
    EXPECT_FALSE(is_excluded("./ab", {"b*"}));
    EXPECT_FALSE(is_excluded("./a", {}));
}

TEST(Pack, GivesTheSameBytesAtAnyTime) {
    auto directory = sys::open_file("/proc/self/ns", O_RDONLY | O_DIRECTORY);
    ASSERT_TRUE(directory);
    std::string packed;
    auto sink = [&](std::string_view bytes) {
        packed += bytes;
        return Status{};
    };
    ASSERT_TRUE(pack_directory(*directory, sink, {.compression = "gzip", .excludes = {"*"}}));
    ASSERT_GT(packed.size(), 10);
    EXPECT_EQ(packed.substr(4, 4), std::string(4, '\0')); // the time in gzip's header
}

TEST(Compress, RefusesWhatItDoesNotKnow) {
    auto nowhere = [](std::string_view) { return Status{}; };
    EXPECT_FALSE(Compressor::open({.type = "lzop"}, nowhere));
    EXPECT_FALSE(Compressor::open({.type = "gzip", .level = 99}, nowhere));
    EXPECT_TRUE(Compressor::open({.type = "bzip2", .level = 1}, nowhere));
}

} // namespace
} // namespace slipway::archive
