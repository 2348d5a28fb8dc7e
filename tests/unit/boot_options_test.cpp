// SPDX-License-Identifier: Apache-2.0
#include "boot/options.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "boot/kexec.hpp"

namespace slipway::boot {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

TEST(BootOptions, SplitAsTheKernelDoes) {
    auto found = parse_command_line("quiet  a=1 \"b=x y\" c=\"p q\" d= \"e f\" g=h=i\n");
    ASSERT_EQ(found.size(), 7);
    EXPECT_EQ(found[0].name, "quiet");
    EXPECT_FALSE(found[0].value);
    EXPECT_EQ(found[1].value, "1");
    EXPECT_EQ(found[2].name, "b");
    EXPECT_EQ(found[2].value, "x y");
    EXPECT_EQ(found[3].value, "p q");
    EXPECT_EQ(found[4].value, "");
    EXPECT_EQ(found[5].name, "e f");
    EXPECT_EQ(found[6].value, "h=i");
    EXPECT_THAT(parse_command_line(" \n"), IsEmpty());
    EXPECT_EQ(parse_command_line("a=\"never ended").back().value, "never ended");
}

TEST(BootOptions, All) {
    std::string digest(64, 'A');
    auto options = read_boot_options(
        "BOOT_IMAGE=vmlinuz console=tty0 console=ttyS0,115200n8 console=ttyS0 bootstrap_debug "
        "image_url=http://10.0.2.2/a?b=c image_sha256=" +
        digest +
        " slipway.mirror=http://one/ slipway.mirror=http://two/ slipway.entry=native "
        "slipway.persist=LABEL slipway.return_after=15m slipway.deadline=5 slipway.dns=1.1.1.1 "
        "slipway.cache=IMAGES slipway.cache_size=2G");
    EXPECT_THAT(options.complaints, IsEmpty());
    EXPECT_THAT(options.consoles, ElementsAre("tty0", "ttyS0"));
    EXPECT_EQ(options.image_url, "http://10.0.2.2/a?b=c");
    EXPECT_EQ(options.image_sha256, std::string(64, 'a'));
    EXPECT_THAT(options.mirrors, ElementsAre("http://one/", "http://two/"));
    EXPECT_EQ(options.entry, loading::Entry::Native);
    EXPECT_EQ(options.persist, "LABEL");
    EXPECT_EQ(options.cache, "IMAGES");
    EXPECT_EQ(options.cache_size, std::uint64_t{2} << 30);
    EXPECT_EQ(options.return_after, std::chrono::seconds(900));
    EXPECT_EQ(options.deadline, std::chrono::seconds(5));
    EXPECT_TRUE(options.debug);
    EXPECT_FALSE(options.insecure);
}

TEST(BootOptions, WhatMakesNoSenseIsTold) {
    auto options = read_boot_options(
        "image_sha256=abc slipway.entry=sideways slipway.return_after=soon "
        "slipway.deadline=9999999999h slipway.oops=1 image_url foo.bar=1 slipway.cache_size=much");
    EXPECT_THAT(options.complaints,
                ElementsAre(HasSubstr("image_sha256=abc"), HasSubstr("sideways"), HasSubstr("soon"),
                            HasSubstr("9999999999h"), HasSubstr("slipway.oops"),
                            HasSubstr("image_url="), HasSubstr("cache_size=much")));
    EXPECT_EQ(options.entry, loading::Entry::Contained);
    EXPECT_EQ(options.deadline, std::chrono::seconds(20));
}

TEST(Kexec, TakesTheNewestKernelAndThisImage) {
    EXPECT_EQ(newest_kernel({"System.map-6.9", "vmlinuz-5.14.0-9", "vmlinuz-5.14.0-70",
                             "vmlinuz-0-rescue-ab", "initrd.img-7.0"}),
              "5.14.0-70");
    EXPECT_EQ(newest_kernel({"grub"}), "");
    auto line = command_line_for(
        "BOOT_IMAGE=/k console=ttyS0 \"a=b c\" image_url=http://x/y slipway.entry=kexec quiet\n",
        "http://h/i", "ab");
    ASSERT_TRUE(line);
    EXPECT_EQ(
        *line,
        "console=ttyS0 \"a=b c\" quiet image_url=http://h/i image_sha256=ab slipway.entry=native");
    EXPECT_FALSE(command_line_for(std::string(2000, 'x'), "http://h/i", std::string(64, 'a')));
}

} // namespace
} // namespace slipway::boot
