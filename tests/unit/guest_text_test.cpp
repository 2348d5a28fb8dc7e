// SPDX-License-Identifier: Apache-2.0
// Readers and editors of the text of boot configuration.
#include <gtest/gtest.h>

#include "guest/command_line.hpp"
#include "guest/grub_cfg.hpp"
#include "guest/grub_env.hpp"
#include "guest/shell_config.hpp"

namespace slipway::guest {
namespace {

TEST(CommandLine, SplitsAtBlanksOutsideQuotes) {
    auto arguments = parse_command_line("root=/dev/sda1 ro  dyndbg=\"file a +p\" quiet");
    ASSERT_EQ(arguments.size(), 4U);
    EXPECT_EQ(arguments[0].key, "root");
    EXPECT_EQ(arguments[0].value, "/dev/sda1");
    EXPECT_FALSE(arguments[1].has_value);
    EXPECT_EQ(arguments[2].value, "file a +p");
    EXPECT_EQ(arguments[3].key, "quiet");
}

TEST(CommandLine, ValueRangeIsWhatReplacesTheValue) {
    for (const std::string text : {"root=/dev/sda1", "root=\"/dev/sda1\"", "\"root=/dev/sda1\""}) {
        auto argument = parse_command_line(text).at(0);
        EXPECT_EQ(argument.key, "root") << text;
        EXPECT_EQ(argument.value, "/dev/sda1") << text;
        auto edited = apply_edits(text, {{argument.value_begin, argument.value_end, "UUID=x"}});
        EXPECT_EQ(parse_command_line(edited).at(0).value, "UUID=x") << text;
    }
}

TEST(CommandLine, OddQuotesAreNotTakenForAValue) {
    for (const std::string text :
         {"ro\"ot=/dev/sda1\"", "root=/dev/\"sda1\"", "root=\"/dev/sda1", "\"root=/dev/sda1"})
        EXPECT_FALSE(parse_command_line(text).at(0).has_value) << text;
}

TEST(CommandLine, OnlyTheFirstEqualsSignParts) {
    auto argument = parse_command_line("root=UUID=abc").at(0);
    EXPECT_EQ(argument.key, "root");
    EXPECT_EQ(argument.value, "UUID=abc");
}

TEST(CommandLine, EditsInAnyOrder) {
    EXPECT_EQ(apply_edits("one two three", {{8, 13, "3"}, {0, 3, "1"}, {4, 4, "and "}}),
              "1 and two 3");
}

TEST(ShellConfig, ReadsValuesAndWhereTheyStand) {
    const std::string text = "# A=0\nA=\"one two\"\nexport B='x'\nC=bare # note\nD=\nif true; "
                             "then\n  E=1\nfi\nA+=\" more\"\n";
    auto all = parse_shell_assignments(text);
    ASSERT_EQ(all.size(), 6U);
    EXPECT_EQ(all[0].value, "one two");
    EXPECT_EQ(text.substr(all[0].begin, all[0].end - all[0].begin), "one two");
    EXPECT_EQ(all[1].name, "B");
    EXPECT_EQ(text.substr(all[2].begin, all[2].end - all[2].begin), "bare");
    EXPECT_EQ(all[3].value, "");
    EXPECT_EQ(all[4].name, "E");
    EXPECT_TRUE(all[5].append);
    EXPECT_EQ(last_assignment(all, "A"), &all[5]);
    EXPECT_EQ(last_assignment(all, "Z"), nullptr);
}

TEST(ShellConfig, ReadsArraysWithCommentsBetween) {
    const std::string text = "MODULES=(btrfs # it's the root\n  crc32c)\nHOOKS=(base udev)\n";
    auto all = parse_shell_assignments(text);
    ASSERT_EQ(all.size(), 2U);
    EXPECT_TRUE(all[0].array);
    EXPECT_EQ(text[all[0].end], ')');
    EXPECT_EQ(all[1].value, "base udev");
}

TEST(ShellConfig, EscapesAndPartsInQuotes) {
    auto all = parse_shell_assignments("A=\"say \\\"hi\\\"\"\nB=a\"b c\"d\n");
    EXPECT_EQ(all.at(0).value, "say \"hi\"");
    EXPECT_EQ(all.at(1).value, "ab cd");
}

std::string env_block(const std::string& variables) {
    std::string block = "# GRUB Environment Block\n" + variables;
    block.resize(grub_env_size, '#');
    return block;
}

TEST(GrubEnv, ReadsVariables) {
    auto block = env_block("saved_entry=abc\nkernelopts=root=/dev/sda2 ro \nboot_success=0\n");
    auto variables = parse_grub_env(block);
    ASSERT_EQ(variables.size(), 3U);
    EXPECT_EQ(grub_variable(block, "kernelopts"), "root=/dev/sda2 ro ");
    EXPECT_EQ(grub_variable(block, "none"), std::nullopt);
}

TEST(GrubEnv, PadsBackToItsSize) {
    auto block = env_block("a=1\n");
    auto longer = apply_edits(block, {{27, 28, "a longer value"}});
    auto padded = pad_grub_env(longer);
    ASSERT_TRUE(padded);
    EXPECT_EQ(padded->size(), grub_env_size);
    EXPECT_EQ(grub_variable(*padded, "a"), "a longer value");
    EXPECT_EQ(padded->back(), '#');
}

TEST(GrubEnv, RefusesWhatDoesNotFit) {
    auto block = env_block("a=" + std::string(1000, 'x') + "\n");
    block.resize(1020);
    EXPECT_FALSE(pad_grub_env("# GRUB Environment Block\na=" + std::string(1100, 'x') + "\n"));
}

TEST(GrubEnv, TextWithoutSignatureHoldsNothing) {
    EXPECT_TRUE(parse_grub_env("kernelopts=root=/dev/sda2\n").empty());
}

TEST(GrubCfg, FindsKernelsWithTheirInitramfs) {
    auto kernels =
        parse_grub_kernels("set root='hd0,msdos1'\n"
                           "menuentry 'Debian' --class debian {\n"
                           "\tsearch --no-floppy --fs-uuid --set=root 5d1c\n"
                           "\tlinux\t/boot/vmlinuz-6.1 root=/dev/sda1 ro quiet\n"
                           "\tinitrd\t/boot/initrd.img-6.1\n"
                           "}\n"
                           "menuentry \"bare\" {\n\tlinux16 /vmlinuz root=/dev/sda2\n}\n");
    ASSERT_EQ(kernels.size(), 2U);
    EXPECT_EQ(kernels[0].entry, "Debian");
    EXPECT_EQ(kernels[0].image, "/boot/vmlinuz-6.1");
    EXPECT_EQ(kernels[0].initrds, std::vector<std::string>{"/boot/initrd.img-6.1"});
    EXPECT_EQ(kernels[0].search_uuid, "5d1c");
    EXPECT_EQ(kernels[1].entry, "bare");
    EXPECT_TRUE(kernels[1].initrds.empty());
    EXPECT_TRUE(kernels[1].search_uuid.empty());
}

TEST(GrubCfg, XenLoadsKernelAndInitramfsAsModules) {
    auto kernels = parse_grub_kernels("multiboot2 /boot/xen.gz placeholder\n"
                                      "module2 /boot/vmlinuz-6.1 placeholder root=/dev/sda1 ro\n"
                                      "module2 --nounzip /boot/initrd.img-6.1\n");
    ASSERT_EQ(kernels.size(), 1U);
    EXPECT_EQ(kernels[0].initrds.size(), 1U);
}

TEST(GrubCfg, ChecksQuotesBracesAndConditions) {
    EXPECT_TRUE(check_grub_syntax("if [ x${a} = xy ]; then\n  set b='it'\nfi\nfunction f {\n  if "
                                  "true; then echo \"}\"; fi\n}\n"));
    EXPECT_TRUE(check_grub_syntax("menuentry 'a' { # }\n linux /x\n}\n"));
    EXPECT_TRUE(check_grub_syntax("for i in a b; do echo $i; done\n"));
    for (const std::string broken : {"", "# only a comment\n", "menuentry 'a' {\n linux /x\n",
                                     "}\necho\n", "if true; then\n echo\n", "echo 'open\n", "fi\n",
                                     "done\n", "menuentry a {\n if true; then\n}\nfi\n"})
        EXPECT_FALSE(check_grub_syntax(broken)) << broken;
}

TEST(GrubCfg, Trap4_KnowsTheStubOfAnEsp) {
    EXPECT_TRUE(is_grub_stub(
        "search --no-floppy --root-dev-only --fs-uuid --set=dev 5d1c\nset prefix=($dev)/grub2\n"
        "export $prefix\nconfigfile $prefix/grub.cfg\n"));
    EXPECT_TRUE(is_grub_stub("search.fs_uuid 5d1c root hd0,gpt2\nset "
                             "prefix=($root)'/boot/grub'\nconfigfile $prefix/grub.cfg\n"));
    EXPECT_FALSE(is_grub_stub("insmod blscfg\nblscfg\nsource $prefix/custom.cfg\nconfigfile x\n"));
    EXPECT_FALSE(is_grub_stub(""));
}

} // namespace
} // namespace slipway::guest
