// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "ops/boot_command.hpp"

namespace slipway::ops {
namespace {

TEST(BootCommand, IsTheFirstKernelOfAGrubMenu) {
    auto command =
        find_boot_command("/boot/grub/grub.cfg",
                          "set root='hd0,msdos1'\nmenuentry 'Debian' {\n\tlinux\t/boot/vmlinuz-6.1 "
                          "root=UUID=12 ro  quiet $extra\n}\n"
                          "menuentry 'old' {\n\tlinux /boot/vmlinuz-5 root=UUID=12\n}\n");
    ASSERT_TRUE(command);
    EXPECT_EQ(command->kernel, "/boot/vmlinuz-6.1");
    EXPECT_EQ(command->arguments, "root=UUID=12 ro quiet");
}

TEST(BootCommand, OfABootEntryStandsOnTwoLines) {
    auto command =
        find_boot_command("/boot/loader/entries/a.conf",
                          "title Fedora\nversion 6.5\nlinux /vmlinuz-6.5\ninitrd "
                          "/initramfs-6.5.img\noptions root=UUID=12 ro rhgb $tuned_params\n");
    ASSERT_TRUE(command);
    EXPECT_EQ(command->kernel, "/vmlinuz-6.5");
    EXPECT_EQ(command->arguments, "root=UUID=12 ro rhgb");
}

TEST(BootCommand, OfAGrubEnvironment) {
    auto command =
        find_boot_command("/boot/grub2/grubenv",
                          "# GRUB Environment Block\nsaved_entry=x\nkernelopts=root=/dev/sda2 ro "
                          "crashkernel=auto \n####");
    ASSERT_TRUE(command);
    EXPECT_EQ(command->arguments, "root=/dev/sda2 ro crashkernel=auto");
}

TEST(BootCommand, OfExtlinuxIsItsFirstAppendLine) {
    auto command = find_boot_command("/boot/extlinux.conf",
                                     "LABEL a\n  LINUX vmlinuz\n  APPEND root=UUID=12 quiet\n");
    ASSERT_TRUE(command);
    EXPECT_EQ(command->arguments, "root=UUID=12 quiet");
}

TEST(BootCommand, NothingWhereNoKernelIsNamed) {
    EXPECT_FALSE(find_boot_command("/boot/grub/grub.cfg", "set timeout=5\n"));
}

TEST(BootCommand, OnlyTheFirstSerialPortIsWatched) {
    EXPECT_TRUE(has_serial_console("ro console=tty0 console=ttyS0,115200n8"));
    EXPECT_FALSE(has_serial_console("ro console=tty0 console=ttyS1"));
}

TEST(BootCommand, GivesTheSerialConsoleAndTakesWhatHides) {
    EXPECT_EQ(with_serial_console("root=UUID=12 ro quiet splash console=tty0 vga=791"),
              "root=UUID=12 ro console=ttyS0,115200");
}

} // namespace
} // namespace slipway::ops
