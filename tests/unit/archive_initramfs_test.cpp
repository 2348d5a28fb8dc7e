// SPDX-License-Identifier: Apache-2.0
#include "archive/initramfs_reader.hpp"

#include <map>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "archive/cpio_writer.hpp"
#include "support/compressors.hpp"
#include "sys/fd.hpp"

namespace slipway::archive {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr mode_t file = S_IFREG | 0644;
constexpr mode_t directory = S_IFDIR | 0755;

std::string cpio(const std::vector<CpioEntry>& entries) {
    auto bytes = write_cpio(entries);
    EXPECT_TRUE(bytes);
    return *bytes;
}

struct Read {
    InitramfsLayout layout;
    std::vector<std::string> paths;
    std::map<std::string, std::string> contents;
};

Result<Read> read(const std::string& bytes, const InitramfsLimits& limits = {}) {
    Read all;
    SLIPWAY_TRY(auto memory, sys::make_memfd("initramfs", bytes));
    auto visitor = [&](const InitramfsEntry& entry, EntryContent& content) -> Status {
        all.paths.push_back(entry.path);
        if (S_ISREG(entry.mode)) {
            SLIPWAY_TRY(all.contents[entry.path], content.read(64 << 20));
        }
        return {};
    };
    SLIPWAY_TRY(all.layout, read_initramfs(memory, visitor, limits));
    return all;
}

std::string some_text(std::size_t size) {
    std::string text;
    for (unsigned state = 1; text.size() < size; state = state * 1664525 + 1013904223)
        text += static_cast<char>('a' + (state >> 24) % 16);
    return text;
}

class EachCompression : public ::testing::TestWithParam<Compression> {};

TEST_P(EachCompression, EarlyMicrocodeThenPaddingThenAPackedSegmentThenAPlainOne) {
    auto early = cpio({{"kernel", directory}, {"kernel/microcode", file, some_text(5000)}});
    auto large = some_text(600000);
    auto packed = testing_support::pack(
        GetParam(), cpio({{"init", file, "#!/bin/sh\n"}, {"large", file, large}}));
    auto bytes = early + std::string(1024 - early.size() % 512, '\0');
    auto main_at = bytes.size();
    bytes += packed;
    bytes += std::string((4 - bytes.size() % 4) % 4, '\0');
    // After legacy lz4 zeros must separate what follows.
    if (GetParam() == Compression::Lz4Legacy)
        bytes += std::string(4, '\0');
    auto last_at = bytes.size();
    bytes += cpio({{"last", file, "here"}});

    auto result = read(bytes);
    ASSERT_TRUE(result) << render_text(result.error());
    EXPECT_THAT(result->paths, ElementsAre("kernel", "kernel/microcode", "init", "large", "last"));
    EXPECT_EQ(result->contents["large"], large);
    EXPECT_EQ(result->contents["last"], "here");
    ASSERT_EQ(result->layout.segments.size(), 3U);
    EXPECT_EQ(result->layout.segments[0].size, early.size());
    EXPECT_EQ(result->layout.segments[1].compression, GetParam());
    EXPECT_EQ(result->layout.segments[1].offset, main_at);
    EXPECT_EQ(result->layout.segments[1].size, packed.size());
    EXPECT_EQ(result->layout.segments[2].offset, last_at);
}

TEST_P(EachCompression, ATruncatedStreamIsCorruptAtEveryPlace) {
    auto packed = testing_support::pack(GetParam(), cpio({{"init", file, some_text(20000)}}));
    for (std::size_t size : {packed.size() / 8, packed.size() / 2, packed.size() - 1}) {
        auto result = read(packed.substr(0, size));
        ASSERT_FALSE(result) << size << " of " << packed.size();
        EXPECT_EQ(result.error().code, Code::Corrupt) << render_text(result.error());
    }
}

TEST_P(EachCompression, TwoArchivesInOneStreamAreOneSegment) {
    auto both = cpio({{"a", file, "1"}}) + std::string(512, '\0') + cpio({{"b", file, "2"}}) +
                std::string(100, '\0');
    auto result = read(testing_support::pack(GetParam(), both));
    ASSERT_TRUE(result) << render_text(result.error());
    EXPECT_THAT(result->paths, ElementsAre("a", "b"));
    ASSERT_EQ(result->layout.segments.size(), 1U);
    EXPECT_EQ(result->layout.segments[0].unpacked_size, both.size());
}

TEST_P(EachCompression, ModuleIsUnpackedWithinALimit) {
    auto module = some_text(300000);
    auto packed = testing_support::pack(GetParam(), module);
    auto unpacked = unpack(packed, module.size());
    ASSERT_TRUE(unpacked) << render_text(unpacked.error());
    EXPECT_EQ(*unpacked, module);
    EXPECT_EQ(unpack(packed, module.size() - 1).error().code, Code::Unsupported);
}

INSTANTIATE_TEST_SUITE_P(Initramfs, EachCompression,
                         ::testing::Values(Compression::Gzip, Compression::Bzip2, Compression::Lzma,
                                           Compression::Xz, Compression::Lz4Legacy,
                                           Compression::Zstd),
                         [](const auto& test) { return std::string(name_of(test.param)); });

TEST(Initramfs, EmptyFileHasNoSegments) {
    auto result = read("");
    ASSERT_TRUE(result);
    EXPECT_TRUE(result->layout.segments.empty());
}

TEST(Initramfs, PlainArchivesDirectlyAfterEachOtherAreRead) {
    auto first = cpio({{"a", file, some_text(1001)}});
    auto result = read(first + cpio({{"b", file, some_text(300000)}}) + std::string(12, '\0'));
    ASSERT_TRUE(result) << render_text(result.error());
    EXPECT_THAT(result->paths, ElementsAre("a", "b"));
    EXPECT_EQ(result->layout.segments[1].offset, first.size());
    EXPECT_EQ(result->layout.padding, 12U);
}

TEST(Initramfs, ContentsThatNobodyAsksForArePassedOver) {
    auto memory =
        sys::make_memfd("initramfs", cpio({{"big", file, some_text(2 << 20)}, {"end", file, "x"}}));
    std::vector<std::string> paths;
    auto layout =
        read_initramfs(*memory, [&](const InitramfsEntry& entry, EntryContent&) -> Status {
            paths.push_back(entry.path);
            return {};
        });
    ASSERT_TRUE(layout) << render_text(layout.error());
    EXPECT_THAT(paths, ElementsAre("big", "end"));
}

TEST(Initramfs, PlainArchiveAtAnOddPlaceIsCorruptAsForTheKernel) {
    auto result = read(std::string(2, '\0') + cpio({{"a", file, "1"}}));
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().code, Code::Corrupt);
}

TEST(Initramfs, PlainArchiveDirectlyAfterLegacyLz4IsCorruptAsForTheKernel) {
    auto bytes = *pack_lz4_legacy(cpio({{"a", file, "1"}}));
    bytes += std::string((4 - bytes.size() % 4) % 4, '\0');
    auto plain = cpio({{"b", file, "2"}});
    EXPECT_EQ(read(*pack_lz4_legacy(cpio({{"a", file, "1"}})) + plain).error().code, Code::Corrupt);
}

TEST(Initramfs, LegacyLz4AfterLegacyLz4IsReadToTheEnd) {
    auto result = read(*pack_lz4_legacy(cpio({{"a", file, "1"}})) +
                       *pack_lz4_legacy(cpio({{"b", file, "2"}})));
    ASSERT_TRUE(result) << render_text(result.error());
    EXPECT_THAT(result->paths, ElementsAre("a", "b"));
}

TEST(Initramfs, JunkIsCorrupt) {
    for (const auto* junk : {"junk", "070707 old cpio", "0707", "\x89LZO"}) {
        auto result = read(cpio({{"a", file, "1"}}) + junk);
        EXPECT_FALSE(result) << junk;
    }
}

TEST(Initramfs, HeaderThatMustBeSearchedForIsCorrupt) {
    auto bytes = cpio({{"a", file, "12345678"}, {"b", file, "2"}});
    bytes.insert(bytes.find("070701", 6), "XXXXXXXX");
    auto result = read(bytes);
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().code, Code::Corrupt);
}

TEST(Initramfs, UnifiedKernelImageIsUnsupportedAndNamed) {
    auto result = read("MZ\x90 and so on");
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().code, Code::Unsupported);
    EXPECT_THAT(result.error().what, HasSubstr("UKI"));
}

TEST(Initramfs, Trap10_HostileNamesAreGivenAsTextAndWriteNothing) {
    auto result = read(cpio({{"../../etc/passwd", file, "x"},
                             {"/tmp/slipway-evil", file, "x"},
                             {"a\x1b[2J\nb", file, "x"}}));
    ASSERT_TRUE(result) << render_text(result.error());
    EXPECT_THAT(result->paths, ElementsAre("../../etc/passwd", "tmp/slipway-evil", "a\x1b[2J\nb"));
    struct stat info {};
    EXPECT_NE(::stat("/tmp/slipway-evil", &info), 0);
}

TEST(Initramfs, LimitsHold) {
    auto bytes = cpio({{"a", file, some_text(5000)}, {"b", file, "2"}, {"c", file, "3"}});
    EXPECT_EQ(read(bytes, {.entries = 3}).error().code, Code::Unsupported);
    EXPECT_TRUE(read(bytes, {.entries = 4}));
    EXPECT_EQ(read(cpio({{std::string(200, 'n'), file, ""}}), {.path_size = 100}).error().code,
              Code::Unsupported);
}

TEST(Initramfs, ABombIsStoppedByTheLimitOfUnpackedBytes) {
    auto bomb = testing_support::pack(Compression::Zstd,
                                      cpio({{"zeros", file, std::string(16 << 20, '\0')}}));
    ASSERT_LT(bomb.size(), 100000U);
    EXPECT_EQ(read(bomb, {.unpacked_size = 4 << 20}).error().code, Code::Unsupported);
}

TEST(Initramfs, HeaderThatClaimsAHugeNameDoesNotFillTheMemory) {
    auto bytes = cpio({{"a", file, some_text(9 << 20)}});
    constexpr std::size_t name_size_field = 94;
    bytes.replace(name_size_field, 8, "7fffffff");
    auto result = read(bytes);
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().code, Code::Unsupported) << render_text(result.error());
}

TEST(Initramfs, AnErrorOfTheVisitorComesBack) {
    auto memory = sys::make_memfd("initramfs", cpio({{"a", file, "1"}}));
    auto layout = read_initramfs(*memory, [](const InitramfsEntry&, EntryContent&) -> Status {
        return fail(Code::Cancelled, "enough");
    });
    ASSERT_FALSE(layout);
    EXPECT_EQ(layout.error().code, Code::Cancelled);
}

TEST(Initramfs, ContentOverItsLimitIsRefused) {
    auto memory = sys::make_memfd("initramfs", cpio({{"a", file, "12345"}}));
    auto layout =
        read_initramfs(*memory, [](const InitramfsEntry&, EntryContent& content) -> Status {
            EXPECT_EQ(content.read(4).error().code, Code::Unsupported);
            EXPECT_EQ(content.read(5).value_or(""), "12345");
            return {};
        });
    EXPECT_TRUE(layout);
}

TEST(CpioWriter, SameEntriesGiveSameBytesInMultiplesOfFour) {
    std::vector<CpioEntry> entries{
        {"usr", directory}, {"usr/x", file, "abc"}, {"link", S_IFLNK | 0777, "usr/x"}};
    EXPECT_EQ(cpio(entries), cpio(entries));
    EXPECT_EQ(cpio(entries).size() % 4, 0U);
    EXPECT_EQ(cpio(entries).substr(0, 6), "070701");
}

TEST(CpioWriter, DeviceNodesAreRefused) {
    EXPECT_EQ(write_cpio({{"dev/null", S_IFCHR | 0666}}).error().code, Code::InvalidArgument);
}

TEST(CpioWriter, LegacyLz4TakesMoreThanOneChunk) {
    auto text = some_text(9 << 20);
    auto unpacked = unpack(*pack_lz4_legacy(text), text.size());
    ASSERT_TRUE(unpacked);
    EXPECT_EQ(*unpacked, text);
}

} // namespace
} // namespace slipway::archive
