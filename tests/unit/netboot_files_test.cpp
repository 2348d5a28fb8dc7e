// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "netboot/boot_files.hpp"
#include "netboot/firmware.hpp"
#include "netboot/kernel_needs.hpp"
#include "netboot/modules.hpp"

namespace {

using namespace slipway;
using namespace slipway::netboot;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

const BootFiles files{"slipway/6.1-ab/vmlinuz", "slipway/6.1-ab/initramfs.img",
                      "console=ttyS0 quiet"};

TEST(BootFiles, EveryLoaderGetsKernelInitramfsAndCommandLine) {
    EXPECT_EQ(ipxe_script(files),
              "#!ipxe\n"
              "kernel slipway/6.1-ab/vmlinuz initrd=initramfs.img "
              "slipway.from=tftp://${next-server}/${filename} console=ttyS0 quiet\n"
              "initrd slipway/6.1-ab/initramfs.img\n"
              "boot\n");
    EXPECT_THAT(pxelinux_config(files), HasSubstr("  KERNEL slipway/6.1-ab/vmlinuz\n"
                                                  "  INITRD slipway/6.1-ab/initramfs.img\n"
                                                  "  APPEND console=ttyS0 quiet\n"));
    EXPECT_THAT(
        grub_config(files),
        HasSubstr("  linux /slipway/6.1-ab/vmlinuz slipway.from=tftp://$net_default_server/ "
                  "console=ttyS0 quiet\n"
                  "  initrd /slipway/6.1-ab/initramfs.img\n"));
}

TEST(BootFiles, DnsmasqTellsFirmwareApart) {
    auto leasing = dnsmasq_config({"/srv/boot", "eth1", "10.0.0.50,10.0.0.99"});
    for (const auto* line :
         {"\nport=0\n", "\ninterface=eth1\n", "\ndhcp-range=10.0.0.50,10.0.0.99,12h\n",
          "\ntftp-root=/srv/boot\n", "\ndhcp-boot=tag:ipxe,boot.ipxe\n",
          "\ndhcp-boot=tag:!ipxe,tag:bios,pxelinux.0\n",
          "\ndhcp-boot=tag:!ipxe,tag:efi,grubx64.efi\n"})
        EXPECT_THAT(leasing, HasSubstr(line));
    EXPECT_THAT(leasing, Not(HasSubstr("pxe-service")));
    auto proxy = dnsmasq_config({"/srv/boot", "eth1", "10.0.0.0,proxy", "10.0.0.9"});
    EXPECT_THAT(proxy, HasSubstr("\ndhcp-range=10.0.0.0,proxy\n"));
    EXPECT_THAT(proxy, HasSubstr("\npxe-service=tag:!ipxe,X86-64_EFI,\"Slipway\",ipxe.efi\n"));
    EXPECT_THAT(proxy, HasSubstr("\ndhcp-boot=tag:ipxe,boot.ipxe,,10.0.0.9\n"));
    EXPECT_THAT(proxy, Not(HasSubstr("grubx64.efi")));
}

// The file that stands in the folder must not serve a network that nobody named.
TEST(BootFiles, DnsmasqWithoutAnInterfaceIsToBeFilledIn) {
    auto text = dnsmasq_config({"/srv/boot", ""});
    EXPECT_THAT(text, HasSubstr("\n#interface="));
    EXPECT_THAT(text, HasSubstr("\n#dhcp-range="));
    EXPECT_THAT(text, Not(HasSubstr("\ninterface=")));
    EXPECT_THAT(text, Not(HasSubstr("\ndhcp-range=")));
}

TEST(BootFiles, SettingsThatWouldBeSomethingElse) {
    EXPECT_TRUE(check({"/srv", "eth1", "10.0.0.50,10.0.0.99"}));
    EXPECT_TRUE(check({"/srv", "eth1", "10.0.0.0,proxy"}));
    EXPECT_TRUE(check({"/srv", "eth1"}));
    EXPECT_FALSE(check({"/srv", "eth1", "10.0.0.50"}));
    EXPECT_FALSE(check({"/srv", "eth1", "10.0.0.50,10.0.0.99,infinite"}));
    EXPECT_FALSE(check({"/srv", "eth1", "10.0.0.50,10.0.0.99\nport=53"}));
    EXPECT_FALSE(check({"/srv\nport=53", "eth1"}));
    EXPECT_FALSE(check({"/srv", "eth1\nport=53"}));
    EXPECT_FALSE(check({"/srv", "a-name-that-is-too-long"}));
}

constexpr std::string_view dep =
    "kernel/drivers/net/virtio_net.ko.xz: kernel/net/core/failover.ko.xz\n"
    "kernel/net/core/failover.ko.xz:\n"
    "kernel/drivers/net/ethernet/intel/e1000e/e1000e.ko.xz: kernel/drivers/ptp/ptp.ko.xz\n"
    "kernel/drivers/ptp/ptp.ko.xz:\n"
    "kernel/drivers/nvme/host/nvme.ko.xz:\n"
    "kernel/drivers/block/loop.ko.xz:\n"
    "kernel/sound/snd.ko.xz:\n";
constexpr std::string_view builtin = "kernel/fs/ext4/ext4.ko\n";

std::vector<std::string> chosen(std::string_view text) {
    auto choice = parse_module_choice(text);
    auto found = choose_modules(dep, builtin, choice.value());
    return found ? *found : std::vector<std::string>{render_line(found.error())};
}

TEST(Modules, GroupsNamesAndWhatTheBootstrapNeeds) {
    EXPECT_THAT(chosen("none"), ElementsAre("kernel/drivers/block/loop.ko.xz",
                                            "kernel/drivers/net/virtio_net.ko.xz",
                                            "kernel/net/core/failover.ko.xz"));
    EXPECT_THAT(chosen("net"), Contains("kernel/drivers/ptp/ptp.ko.xz"));
    EXPECT_THAT(chosen("net"), Not(Contains("kernel/drivers/nvme/host/nvme.ko.xz")));
    EXPECT_THAT(chosen("storage"), Contains("kernel/drivers/nvme/host/nvme.ko.xz"));
    EXPECT_EQ(chosen("all").size(), 7U);
    EXPECT_THAT(chosen("snd"), Contains("kernel/sound/snd.ko.xz"));
    EXPECT_EQ(chosen("ext4"), chosen("none")); // built in
    EXPECT_THAT(chosen("net,warp"), ElementsAre(StartsWith("the kernel has no module warp")));
    for (const auto* bad : {"", "net,,storage", "../x", "a b", "none,net", "none,ext4"})
        EXPECT_FALSE(parse_module_choice(bad)) << bad;
}

TEST(KernelNeeds, OptionsCountAsBuiltInOrPacked) {
    appliance::TestedKernel kernel{.modules = "/lib/modules/x",
                                   .config = "CONFIG_OVERLAY_FS=m\nCONFIG_BLK_DEV_LOOP=m\n"
                                             "CONFIG_NET=y\n# CONFIG_PID_NS is not set\n"};
    auto lacks = find_lacks(kernel, {"overlay"});
    EXPECT_THAT(lacks.needed, Contains("CONFIG_PID_NS"));
    EXPECT_THAT(lacks.needed, Contains("CONFIG_BLK_DEV_LOOP")); // a module that is not packed
    EXPECT_THAT(lacks.needed, Not(Contains("CONFIG_OVERLAY_FS")));
    EXPECT_THAT(lacks.needed, Not(Contains("CONFIG_NET")));
    EXPECT_THAT(lacks.needed, Not(Contains("CONFIG_IP_PNP_DHCP"))); // DHCP is ours
    EXPECT_EQ(initramfs_compression(kernel), "gzip");
    EXPECT_EQ(initramfs_compression({.config = "CONFIG_RD_ZSTD=y\n"}), "zstd");
    EXPECT_TRUE(find_lacks({}, {}).needed.empty()); // nothing is known of it
}

TEST(Firmware, IsWhatModulesName) {
    using namespace std::string_literals;
    EXPECT_THAT(
        firmware_of("\x7f"
                    "ELF\0license=GPL\0firmware=bnx2/a.fw\0firmware=b.bin\0firmware=b.bin\0"s
                    "firmware=../../etc/shadow\0firmware=/etc/shadow\0firmware=\0xfirmware=c\0"s),
        ElementsAre("bnx2/a.fw", "b.bin"));
    EXPECT_THAT(firmware_of("firmware="), ElementsAre());
    EXPECT_THAT(firmware_of("\0firmware=cut"s), ElementsAre("cut"));
}

} // namespace
