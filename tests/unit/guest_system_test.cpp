// SPDX-License-Identifier: Apache-2.0
#include "guest/system.hpp"

#include <array>
#include <string>

#include <elf.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "guest/os_release.hpp"
#include "support/elf_header.hpp"
#include "support/guest_tree.hpp"

namespace slipway::guest {
namespace {

using report::OperatingSystem;
using testing_support::elf_header;
using testing_support::GuestTree;

OperatingSystem detect(const GuestTree& tree) {
    report::Findings findings;
    auto root = tree.root();
    return detect_system(GuestFiles(root, findings), {});
}

TEST(OsRelease, QuotesEscapesAndComments) {
    auto values = parse_os_release("# comment\n"
                                   "NAME=\"A \\\"quoted\\\" \\$HOME\"\r\n"
                                   "ID='single \\n'\n"
                                   "VERSION_ID=12 # no comment here, but the word ends\n"
                                   "EMPTY=\n"
                                   "no assignment\n"
                                   "BAD NAME=x\n"
                                   "ID_LIKE=\"never closed\n"
                                   "LAST=x");
    EXPECT_EQ(values["NAME"], "A \"quoted\" $HOME");
    EXPECT_EQ(values["ID"], "single \\n");
    EXPECT_EQ(values["VERSION_ID"], "12");
    EXPECT_EQ(values["EMPTY"], "");
    EXPECT_EQ(values["ID_LIKE"], "never closed");
    EXPECT_EQ(values["LAST"], "x");
    EXPECT_EQ(values.size(), 6U);
}

struct Distribution {
    const char* os_release;
    const char* program; ///< of its package manager
    const char* distro;
    const char* version;
    const char* codename;
    const char* product;
    const char* package_manager;
};

class Distributions : public testing::TestWithParam<Distribution> {};

TEST_P(Distributions, AreNamedByOsRelease) {
    const auto& expected = GetParam();
    GuestTree tree;
    tree.file("/usr/lib/os-release", expected.os_release)
        .link("/etc/os-release", "../usr/lib/os-release")
        .file(expected.program);
    auto os = detect(tree);
    EXPECT_EQ(os.type, "linux");
    EXPECT_EQ(os.distro, expected.distro);
    EXPECT_EQ(os.version, expected.version);
    EXPECT_EQ(os.codename, expected.codename);
    EXPECT_EQ(os.product, expected.product);
    EXPECT_EQ(os.package_manager, expected.package_manager);
}

INSTANTIATE_TEST_SUITE_P(
    All, Distributions,
    testing::Values(
        Distribution{"PRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\nNAME=\"Debian "
                     "GNU/Linux\"\nVERSION_ID=\"12\"\n"
                     "VERSION=\"12 (bookworm)\"\nVERSION_CODENAME=bookworm\nID=debian\n",
                     "/usr/bin/apt-get", "debian", "12", "bookworm",
                     "Debian GNU/Linux 12 (bookworm)", "apt"},
        Distribution{"PRETTY_NAME=\"Ubuntu 22.04.4 "
                     "LTS\"\nNAME=\"Ubuntu\"\nVERSION_ID=\"22.04\"\nVERSION_CODENAME=jammy\n"
                     "ID=ubuntu\nID_LIKE=debian\n",
                     "/usr/bin/apt-get", "ubuntu", "22.04", "jammy", "Ubuntu 22.04.4 LTS", "apt"},
        Distribution{
            "NAME=\"Fedora Linux\"\nVERSION=\"40 (Server Edition)\"\nID=fedora\nVERSION_ID=40\n"
            "VERSION_CODENAME=\"\"\nPRETTY_NAME=\"Fedora Linux 40 (Server Edition)\"\n",
            "/usr/bin/dnf", "fedora", "40", "", "Fedora Linux 40 (Server Edition)", "dnf"},
        Distribution{"NAME=\"Red Hat Enterprise Linux\"\nVERSION=\"8.9 "
                     "(Ootpa)\"\nID=\"rhel\"\nID_LIKE=\"fedora\"\n"
                     "VERSION_ID=\"8.9\"\nPRETTY_NAME=\"Red Hat Enterprise Linux 8.9 (Ootpa)\"\n",
                     "/usr/bin/dnf", "rhel", "8.9", "", "Red Hat Enterprise Linux 8.9 (Ootpa)",
                     "dnf"},
        Distribution{"NAME=\"Rocky Linux\"\nVERSION=\"9.3 (Blue "
                     "Onyx)\"\nID=\"rocky\"\nID_LIKE=\"rhel centos fedora\"\n"
                     "VERSION_ID=\"9.3\"\nPRETTY_NAME=\"Rocky Linux 9.3 (Blue Onyx)\"\n",
                     "/usr/bin/dnf", "rocky", "9.3", "", "Rocky Linux 9.3 (Blue Onyx)", "dnf"},
        Distribution{"NAME=\"CentOS Linux\"\nVERSION=\"7 (Core)\"\nID=\"centos\"\nID_LIKE=\"rhel "
                     "fedora\"\nVERSION_ID=\"7\"\n"
                     "PRETTY_NAME=\"CentOS Linux 7 (Core)\"\n",
                     "/usr/bin/yum", "centos", "7", "", "CentOS Linux 7 (Core)", "yum"},
        Distribution{"NAME=\"openSUSE "
                     "Leap\"\nVERSION=\"15.5\"\nID=\"opensuse-leap\"\nID_LIKE=\"suse opensuse\"\n"
                     "VERSION_ID=\"15.5\"\nPRETTY_NAME=\"openSUSE Leap 15.5\"\n",
                     "/usr/bin/zypper", "opensuse-leap", "15.5", "", "openSUSE Leap 15.5",
                     "zypper"},
        Distribution{"NAME=\"Arch Linux\"\nPRETTY_NAME=\"Arch Linux\"\nID=arch\nBUILD_ID=rolling\n",
                     "/usr/bin/pacman", "arch", "", "", "Arch Linux", "pacman"},
        Distribution{"NAME=\"Alpine Linux\"\nID=alpine\nVERSION_ID=3.19.1\nPRETTY_NAME=\"Alpine "
                     "Linux v3.19\"\n",
                     "/sbin/apk", "alpine", "3.19.1", "", "Alpine Linux v3.19", "apk"}));

TEST(System, DistributionDecidesBetweenPackageManagers) {
    GuestTree tree;
    tree.file("/etc/os-release", "ID=fedora\n").file("/usr/bin/apt-get").file("/usr/bin/dnf");
    EXPECT_EQ(detect(tree).package_manager, "dnf");
}

TEST(System, OlderThanOsRelease) {
    GuestTree tree;
    tree.file("/etc/fstab")
        .file("/etc/redhat-release", "Red Hat Enterprise Linux Server release 6.10 (Santiago)\n")
        .dir("/usr");
    auto os = detect(tree);
    EXPECT_EQ(os.distro, "rhel");
    EXPECT_EQ(os.version, "6.10");
    EXPECT_EQ(os.product, "Red Hat Enterprise Linux Server release 6.10 (Santiago)");
    GuestTree debian;
    debian.file("/etc/fstab").file("/etc/debian_version", "6.0.10\n").dir("/usr");
    EXPECT_EQ(detect(debian).product, "Debian 6.0.10");
}

struct OldSystem {
    const char* path;
    const char* text;
    const char* distro;
    const char* version;
    const char* product;
    const char* like;
};

class OldSystems : public testing::TestWithParam<OldSystem> {};

TEST_P(OldSystems, AreNamedByTheirReleaseFile) {
    const auto& expected = GetParam();
    GuestTree tree;
    tree.file(expected.path, expected.text).dir("/bin");
    auto os = detect(tree);
    EXPECT_EQ(os.type, "linux");
    EXPECT_EQ(os.distro, expected.distro);
    EXPECT_EQ(os.version, expected.version);
    EXPECT_EQ(os.product, expected.product);
    EXPECT_EQ(os.like.empty() ? "" : os.like.front(), expected.like);
}

INSTANTIATE_TEST_SUITE_P(
    All, OldSystems,
    testing::Values(
        OldSystem{"/etc/redhat-release", "CentOS release 5.11 (Final)\n", "centos", "5.11",
                  "CentOS release 5.11 (Final)", "rhel"},
        OldSystem{"/etc/redhat-release", "Scientific Linux release 6.10 (Carbon)\n", "scientific",
                  "6.10", "Scientific Linux release 6.10 (Carbon)", "rhel"},
        OldSystem{"/etc/fedora-release", "Fedora release 14 (Laughlin)\n", "fedora", "14",
                  "Fedora release 14 (Laughlin)", ""},
        OldSystem{"/etc/SuSE-release",
                  "SUSE Linux Enterprise Server 11 (x86_64)\nVERSION = 11\nPATCHLEVEL = 4\n",
                  "sles", "11.4", "SUSE Linux Enterprise Server 11 (x86_64)", "suse"},
        OldSystem{"/etc/SuSE-release",
                  "openSUSE 11.4 (x86_64)\nVERSION = 11.4\nCODENAME = Celadon\n", "opensuse",
                  "11.4", "openSUSE 11.4 (x86_64)", "suse"},
        OldSystem{"/etc/lsb-release",
                  "DISTRIB_ID=Ubuntu\nDISTRIB_RELEASE=10.04\nDISTRIB_CODENAME=lucid\n"
                  "DISTRIB_DESCRIPTION=\"Ubuntu 10.04.4 LTS\"\n",
                  "ubuntu", "10.04", "Ubuntu 10.04.4 LTS", "debian"},
        OldSystem{"/etc/alpine-release", "2.7.9\n", "alpine", "2.7.9", "Alpine Linux 2.7.9", ""},
        OldSystem{"/etc/arch-release", "", "arch", "", "Arch Linux", ""},
        OldSystem{"/etc/gentoo-release", "Gentoo Base System release 2.0.3\n", "gentoo", "2.0.3",
                  "Gentoo Base System release 2.0.3", ""},
        OldSystem{"/etc/slackware-version", "Slackware 14.1\n", "slackware", "14.1",
                  "Slackware 14.1", ""},
        OldSystem{"/etc/cirros/version", "0.3.4\n", "cirros", "0.3.4", "CirrOS 0.3.4", ""},
        OldSystem{"/etc/openwrt_release",
                  "DISTRIB_ID='OpenWrt'\nDISTRIB_RELEASE='21.02.3'\n"
                  "DISTRIB_DESCRIPTION='OpenWrt 21.02.3'\n",
                  "openwrt", "21.02.3", "OpenWrt 21.02.3", ""}));

TEST(System, BusyBoxAlone) {
    GuestTree tree;
    tree.file("/bin/busybox").file("/etc/inittab");
    EXPECT_EQ(detect(tree).type, "linux");
    EXPECT_EQ(detect(tree).distro, "busybox");
}

TEST(System, NumbersOfTheVersion) {
    GuestTree tree;
    tree.file("/etc/os-release", "ID=ubuntu\nVERSION_ID=22.04\nVARIANT_ID=server\n").dir("/usr");
    auto os = detect(tree);
    EXPECT_EQ(os.major_version, 22U);
    EXPECT_EQ(os.minor_version, 4U);
    EXPECT_EQ(os.variant, "server");
}

TEST(System, PackageFormat) {
    GuestTree distroless;
    distroless.file("/etc/os-release", "ID=debian\n").dir("/usr").dir("/var/lib/dpkg/status.d");
    EXPECT_EQ(detect(distroless).package_format, "deb");
    GuestTree alt;
    alt.file("/etc/os-release", "ID=altlinux\n").file("/usr/bin/apt-get").dir("/var/lib/rpm");
    EXPECT_EQ(detect(alt).package_manager, "apt");
    EXPECT_EQ(detect(alt).package_format, "rpm");
}

TEST(System, Bsd) {
    GuestTree freebsd;
    freebsd.file("/bin/freebsd-version", "#!/bin/sh\nUSERLAND_VERSION=\"13.2-RELEASE-p4\"\n")
        .file("/etc/rc.conf", "hostname=\"beastie\"\nsshd_enable=\"YES\"\n")
        .file("/etc/fstab")
        .file("/bin/sh", elf_header(ELFCLASS64, ELFDATA2LSB, EM_X86_64));
    auto os = detect(freebsd);
    EXPECT_EQ(os.type, "freebsd");
    EXPECT_EQ(os.version, "13.2-RELEASE-p4");
    EXPECT_EQ(os.product, "FreeBSD 13.2-RELEASE-p4");
    EXPECT_EQ(os.major_version * 10 + os.minor_version, 132U);
    EXPECT_EQ(os.hostname, "beastie");
    EXPECT_EQ(os.arch, "x86_64");
    GuestTree netbsd;
    netbsd.file("/netbsd").file("/etc/release", "NetBSD 9.3/amd64\n").file("/etc/fstab");
    EXPECT_EQ(detect(netbsd).product, "NetBSD 9.3");
    GuestTree openbsd;
    openbsd.file("/bsd").file("/etc/fstab").file("/etc/myname", "puffy.example\n");
    openbsd.file("/etc/motd", "OpenBSD 7.4 (GENERIC) #1: x\n");
    EXPECT_EQ(detect(openbsd).version, "7.4");
    EXPECT_EQ(detect(openbsd).hostname, "puffy.example");
}

TEST(System, HostNameAndInit) {
    GuestTree systemd;
    systemd.file("/etc/os-release", "ID=debian\n")
        .file("/etc/hostname", "# ours\n\nweb1.example\n");
    systemd.file("/usr/lib/systemd/systemd").link("/sbin/init", "/usr/lib/systemd/systemd");
    EXPECT_EQ(detect(systemd).hostname, "web1.example");
    EXPECT_EQ(detect(systemd).init_system, "systemd");
    GuestTree alpine;
    alpine.file("/etc/os-release", "ID=alpine\n")
        .file("/bin/busybox")
        .link("/sbin/init", "/bin/busybox")
        .file("/sbin/openrc");
    EXPECT_EQ(detect(alpine).init_system, "openrc");
    GuestTree old;
    old.file("/etc/os-release")
        .dir("/usr")
        .file("/sbin/init")
        .file("/etc/inittab")
        .file("/etc/sysconfig/network", "HOSTNAME=\"old6\"\n");
    // Debian keeps systemd's files beside sysvinit.
    old.file("/lib/systemd/systemd");
    EXPECT_EQ(detect(old).init_system, "sysvinit");
    EXPECT_EQ(detect(old).hostname, "old6");
}

TEST(System, ArchitectureOfTheGuestsPrograms) {
    GuestTree tree;
    tree.file("/etc/os-release")
        .file("/bin/busybox", elf_header(ELFCLASS64, ELFDATA2LSB, EM_AARCH64))
        .link("/bin/sh", "/bin/busybox");
    EXPECT_EQ(detect(tree).arch, "aarch64");
}

TEST(SystemType, OnlyARootCounts) {
    GuestTree boot;
    boot.dir("/grub").file("/vmlinuz-6.1.0");
    EXPECT_EQ(detect_system_type(boot.root()), "");
    GuestTree usr;
    usr.dir("/bin").file("/lib/os-release", "ID=debian\n");
    EXPECT_EQ(detect_system_type(usr.root()), "");
    // /usr is a filesystem of its own, so the link dangles.
    GuestTree separate_usr;
    separate_usr.dir("/usr").link("/etc/os-release", "../usr/lib/os-release");
    EXPECT_EQ(detect_system_type(separate_usr.root()), "linux");
    GuestTree windows;
    windows.dir("/WINDOWS/system32/Config").file("/bootmgr");
    EXPECT_EQ(detect_system_type(windows.root()), "windows");
}

TEST(System, Trap10_LinksToTheHostReadTheGuest) {
    GuestTree tree;
    std::ofstream(tree.outside() / "secret") << "ID=host\nPRETTY_NAME=\"secret of the host\"\n";
    auto secret = (tree.outside() / "secret").string();
    tree.link("/etc/os-release", secret)
        .link("/etc/hostname", "../../../secret")
        .dir("/usr")
        .link("/bin/sh", "/proc/self/exe");
    auto os = detect(tree);
    EXPECT_EQ(os.type, "linux");
    EXPECT_EQ(os.distro, "");
    EXPECT_EQ(os.product, "");
    EXPECT_EQ(os.hostname, "");
    EXPECT_EQ(os.arch, "");
}

TEST(System, ControlCharactersDoNotReachTheTerminal) {
    GuestTree tree;
    tree.file("/etc/os-release", "ID=x\nPRETTY_NAME=\"\x1b[31mred\"\n")
        .dir("/usr")
        .file("/etc/hostname", "a\x07z\n");
    EXPECT_EQ(detect(tree).product, "?[31mred");
    EXPECT_EQ(detect(tree).hostname, "a?z");
}

} // namespace
} // namespace slipway::guest
