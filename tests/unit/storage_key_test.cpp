// SPDX-License-Identifier: Apache-2.0
#include <unistd.h>

#include <string_view>
#include <utility>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "storage/key_option.hpp"
#include "storage/secret.hpp"

namespace slipway::storage {
namespace {

using testing::HasSubstr;
using testing::Not;

TEST(StorageKeyOption, Sources) {
    auto file = parse_key_option("sda3:file:/root/my:key");
    ASSERT_TRUE(file);
    EXPECT_EQ(file->selector, "sda3");
    EXPECT_EQ(file->source, KeyOption::Source::File);
    EXPECT_EQ(file->path, "/root/my:key");
    auto descriptor = parse_key_option("/dev/vg/lv:fd:7");
    ASSERT_TRUE(descriptor);
    EXPECT_EQ(descriptor->selector, "/dev/vg/lv");
    EXPECT_EQ(descriptor->source, KeyOption::Source::Descriptor);
    EXPECT_EQ(descriptor->descriptor, 7);
    auto prompt = parse_key_option("all:prompt");
    ASSERT_TRUE(prompt);
    EXPECT_EQ(prompt->source, KeyOption::Source::Prompt);
}

TEST(StorageKeyOption, NamesOfVolumesMayHoldColons) {
    auto nested = parse_key_option("luks:sda3:file:key");
    ASSERT_TRUE(nested);
    EXPECT_EQ(nested->selector, "luks:sda3");
    auto array = parse_key_option("md:data:prompt");
    ASSERT_TRUE(array);
    EXPECT_EQ(array->selector, "md:data");
}

TEST(StorageKeyOption, SecretsOnTheCommandLineAreRefusedAndNotRepeated) {
    auto refused = parse_key_option("sda3:key:hunter2");
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, Code::InvalidArgument);
    EXPECT_THAT(refused.error().what, HasSubstr("would show the secret"));
    EXPECT_THAT(render_text(refused.error()), Not(HasSubstr("hunter2")));
}

TEST(StorageKeyOption, Malformed) {
    for (const auto* text : {"", "sda3", ":file:x", "sda3:file:", "sda3:fd:", "sda3:fd:-1",
                             "sda3:fd:99999999999", "sda3:prompt:x", ":prompt", "sda3:hunter2"}) {
        auto parsed = parse_key_option(text);
        ASSERT_FALSE(parsed) << text;
        EXPECT_EQ(parsed.error().code, Code::InvalidArgument);
        EXPECT_THAT(render_text(parsed.error()), Not(HasSubstr("hunter2")));
    }
}

Result<Secret> read_from(const std::string& content) {
    auto fd = sys::make_memfd("key", content);
    EXPECT_TRUE(fd);
    EXPECT_EQ(::lseek(fd->raw(), 0, SEEK_SET), 0);
    return read_secret(*fd, "the file");
}

TEST(StorageSecret, OneNewlineIsTakenOff) {
    EXPECT_EQ(read_from("pass")->expose(), "pass");
    EXPECT_EQ(read_from("pass\n")->expose(), "pass");
    EXPECT_EQ(read_from("pass\n\n")->expose(), "pass\n");
    EXPECT_EQ(read_from(std::string("a\0b\n", 4))->expose(), std::string_view("a\0b", 3));
    auto large = std::string(20000, 'x');
    EXPECT_EQ(read_from(large)->expose(), large);
}

TEST(StorageSecret, EmptyAndHugeKeysAreRefused) {
    EXPECT_FALSE(read_from(""));
    EXPECT_FALSE(read_from("\n"));
    EXPECT_FALSE(read_from(std::string(max_secret_size + 1, 'x')));
}

TEST(StorageSecret, MovingLeavesNothingBehind) {
    Secret first("short"); // lives inside the object
    auto* bytes = first.expose().data();
    Secret second(std::move(first));
    EXPECT_EQ(second.expose(), "short");
    EXPECT_EQ(std::string_view(bytes, 5), std::string_view("\0\0\0\0\0", 5));
    std::string text = "long enough to be on the heap, certainly";
    auto taken = Secret::take(std::move(text));
    EXPECT_TRUE(text.empty()); // NOLINT(bugprone-use-after-move): what this test is about
    EXPECT_EQ(taken.expose().size(), 40U);
}

} // namespace
} // namespace slipway::storage
