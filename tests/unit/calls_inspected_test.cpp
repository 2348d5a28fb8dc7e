// SPDX-License-Identifier: Apache-2.0
// The words of the API for what Slipway knows of a system.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "calls/inspected.hpp"
#include "support/guest_tree.hpp"

namespace slipway::calls {
namespace {

using testing::ElementsAre;
using testing::Pair;

class Inspection : public testing::Test {
protected:
    [[nodiscard]] Inspected describe(const report::Inventory& inventory) const {
        report::Findings findings;
        auto root = tree.root();
        return describe_system(inventory, guest::GuestFiles(root, findings));
    }
    [[nodiscard]] Inspected describe(report::OperatingSystem os) const {
        report::Inventory inventory;
        inventory.root = "sda1";
        inventory.os = std::move(os);
        return describe(inventory);
    }
    testing_support::GuestTree tree;
};

report::OperatingSystem linux_os(const std::string& id, std::uint64_t major, std::uint64_t minor,
                                 std::vector<std::string> like = {}) {
    report::OperatingSystem os;
    os.type = "linux";
    os.distro = id;
    os.like = std::move(like);
    os.major_version = major;
    os.minor_version = minor;
    return os;
}

TEST_F(Inspection, Distributions) {
    struct Row {
        report::OperatingSystem os;
        const char *distro, *osinfo;
    };
    const Row rows[] = {
        {linux_os("ubuntu", 22, 4), "ubuntu", "ubuntu22.04"},
        {linux_os("fedora", 38, 0), "fedora", "fedora38"},
        {linux_os("rhel", 9, 1), "rhel", "rhel9.1"},
        {linux_os("centos", 7, 9), "centos", "centos7.0"},
        {linux_os("centos", 8, 0), "centos", "centos8"},
        {linux_os("sles", 15, 4), "sles", "sles15sp4"},
        {linux_os("sles", 15, 0), "sles", "sles15"},
        {linux_os("opensuse-leap", 15, 5), "opensuse", "opensuse15.5"},
        {linux_os("arch", 0, 0), "archlinux", "archlinux"},
        {linux_os("alpine", 3, 19), "alpinelinux", "alpinelinux3.19"},
        {linux_os("almalinux", 9, 2, {"rhel", "centos", "fedora"}), "redhat-based", "unknown"},
        {linux_os("myown", 1, 0, {"suse"}), "suse-based", "unknown"},
        {linux_os("myown", 1, 0), "unknown", "unknown"},
    };
    for (const auto& row : rows) {
        auto system = describe(row.os);
        EXPECT_EQ(system.distro, row.distro) << row.os.distro;
        EXPECT_EQ(system.osinfo, row.osinfo) << row.os.distro;
    }
}

TEST_F(Inspection, DebianHasItsMinorVersionElsewhere) {
    tree.file("/etc/debian_version", "12.15\n");
    auto system = describe(linux_os("debian", 12, 0));
    EXPECT_EQ(system.product, "12.15");
    EXPECT_EQ(system.minor_version, 15U);
    tree.file("/etc/debian_version", "trixie/sid\n");
    auto os = linux_os("debian", 13, 0);
    os.product = "Debian GNU/Linux trixie/sid";
    system = describe(os);
    EXPECT_EQ(system.product, "Debian GNU/Linux trixie/sid");
    EXPECT_EQ(system.major_version, 13U);
}

TEST_F(Inspection, PackageManagerOfAFormatWhoseProgramIsMissing) {
    auto os = linux_os("alpine", 3, 19);
    os.package_format = "apk";
    EXPECT_EQ(describe(os).package_management, "apk");
    os.package_format = "rpm"; // several programs install it
    EXPECT_EQ(describe(os).package_management, "unknown");
}

TEST_F(Inspection, WindowsVersions) {
    struct Row {
        const char *product, *variant;
        std::uint64_t major, minor;
        const char* osinfo;
    };
    constexpr Row rows[] = {
        {"Windows 10 Pro", "Client", 10, 0, "win10"},
        {"Windows 11 Pro", "Client", 10, 0, "win11"},
        {"Windows Server 2016 Standard", "Server", 10, 0, "win2k16"},
        {"Windows Server 2019 Standard", "Server", 10, 0, "win2k19"},
        {"Windows 7 Professional", "Client", 6, 1, "win7"},
        {"Windows Server 2008 R2", "Server Core", 6, 1, "win2k8r2"},
        {"Microsoft Windows XP", "", 5, 1, "winxp"},
        {"Windows 3.11", "", 3, 11, "unknown"},
    };
    for (const auto& row : rows) {
        report::OperatingSystem os;
        os.type = "windows";
        os.product = row.product;
        os.variant = row.variant;
        os.major_version = row.major;
        os.minor_version = row.minor;
        os.windows.emplace();
        EXPECT_EQ(describe(os).osinfo, row.osinfo) << row.product;
    }
}

TEST_F(Inspection, FilesystemsOfItsFstab) {
    report::Inventory inventory;
    inventory.root = "btrfs:sda2/@";
    inventory.os = linux_os("debian", 12, 0);
    inventory.volumes = {{.name = "sda2", .disk = "sda", .type = "btrfs"},
                         {.name = "sda3", .disk = "sda", .type = "swap"}};
    inventory.fstab = {{.spec = "UUID=1",
                        .mountpoint = "/",
                        .type = "btrfs",
                        .options = "subvol=@",
                        .volume = "sda2"},
                       {.spec = "UUID=1",
                        .mountpoint = "/home",
                        .type = "btrfs",
                        .options = "noatime,subvol=/@home",
                        .volume = "sda2"},
                       {.spec = "/dev/sdz1",
                        .mountpoint = "/gone",
                        .type = "ext4",
                        .options = "defaults",
                        .volume = ""},
                       {.spec = "/dev/sda3",
                        .mountpoint = "none",
                        .type = "swap",
                        .options = "sw",
                        .volume = "sda3"}};
    auto system = describe(inventory);
    EXPECT_EQ(system.root, "btrfsvol:/dev/sda2/@");
    EXPECT_THAT(system.mountpoints, ElementsAre(Pair("/home", "btrfsvol:/dev/sda2/@home"),
                                                Pair("/", "btrfsvol:/dev/sda2/@")));
    EXPECT_THAT(system.filesystems,
                ElementsAre("/dev/sda3", "btrfsvol:/dev/sda2/@home", "btrfsvol:/dev/sda2/@"));
}

} // namespace
} // namespace slipway::calls
