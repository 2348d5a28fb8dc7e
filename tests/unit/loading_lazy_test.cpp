// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "archive/digest.hpp"
#include "base/strings.hpp"
#include "loading/lazy_blocks.hpp"
#include "loading/lazy_server.hpp"

namespace slipway::loading {
namespace {

TEST(LazyBlocks, KnowWhatIsMissing) {
    LazyBlocks blocks(1000, 256); // the last has 232
    EXPECT_FALSE(blocks.has(0, 1));
    EXPECT_TRUE(blocks.has(1000, 50)) << "behind the end is nothing to wait for";
    EXPECT_EQ(blocks.missing(300, 600, 16), (BlockRun{1, 3}));
    EXPECT_EQ(blocks.missing(0, ~std::uint64_t{0}, 2), (BlockRun{0, 2}));
    EXPECT_EQ(blocks.bytes_of({2, 2}), 488);
    blocks.begin({1, 1});
    EXPECT_EQ(blocks.missing(256, 700, 16), (BlockRun{2, 2}));
    EXPECT_EQ(blocks.missing(256, 256, 16), std::nullopt) << "on its way";
    EXPECT_FALSE(blocks.has(256, 1));
    blocks.end({1, 1}, true);
    EXPECT_TRUE(blocks.has(256, 256));
    EXPECT_FALSE(blocks.has(256, 257));
    blocks.begin({2, 2});
    blocks.end({2, 2}, false);
    EXPECT_EQ(blocks.missing(256, 700, 16), (BlockRun{2, 2})) << "it did not come";
    EXPECT_EQ(blocks.bytes_here(), 256);
    blocks.end({2, 2}, true);
    EXPECT_EQ(blocks.bytes_here(), 744);
    EXPECT_FALSE(blocks.is_complete());
    blocks.end({0, 4}, true);
    EXPECT_TRUE(blocks.is_complete());
}

TEST(LazyBlocks, AreWhatTheListSays) {
    auto sha256 = [](std::string_view bytes) {
        auto digest = archive::open_digest("sha256").value();
        digest->add(bytes);
        return digest->finish();
    };
    std::string list, one(4096, 'a'), two(100, 'b');
    for (const auto& block : {one, two}) {
        auto digits = sha256(block);
        for (std::size_t at = 0; at < digits.size(); at += 2)
            list += static_cast<char>(std::stoi(digits.substr(at, 2), nullptr, 16));
    }
    EXPECT_EQ(BlockDigests::read(list, sha256("x"), 4196, 4096).error().code, Code::Corrupt);
    EXPECT_EQ(BlockDigests::read(list, sha256(list), 9000, 4096).error().code, Code::Corrupt);
    auto digests = BlockDigests::read(list, sha256(list), 4196, 4096).value();
    EXPECT_TRUE(digests.check(0, one + two));
    EXPECT_TRUE(digests.check(1, two));
    EXPECT_FALSE(digests.check(0, two));
    two[99] = 'c';
    EXPECT_EQ(digests.check(0, one + two).error().code, Code::Corrupt);
}

TEST(LazySource, ComesThroughAsItWas) {
    LazySource source{.urls = {http::parse_url("https://[::1]:8080/a?b").value()},
                      .size = 7,
                      .block_size = 4096,
                      .sha256 = "s",
                      .blocks_sha256 = "b",
                      .ca_file = "/ca",
                      .insecure = true,
                      .blocks_here = 3};
    auto same = parse_source(render_source(source)).value();
    EXPECT_EQ(render_source(same), render_source(source));
    EXPECT_EQ(same.urls, source.urls);
    EXPECT_FALSE(parse_source("{}"));
    EXPECT_FALSE(parse_source(R"({"urls":[7]})"));
}

} // namespace
} // namespace slipway::loading
