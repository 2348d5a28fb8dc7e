// SPDX-License-Identifier: Apache-2.0
#include "guest/kernels.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "guest/boot_entries.hpp"
#include "support/guest_tree.hpp"

namespace slipway::guest {
namespace {

using report::Kernel;
using testing::ElementsAre;
using testing::IsEmpty;
using testing_support::GuestTree;

struct Found {
    std::vector<Kernel> kernels;
    report::Findings findings;
    [[nodiscard]] std::vector<std::string> versions() const {
        std::vector<std::string> names;
        for (const auto& kernel : kernels)
            names.push_back(kernel.version);
        return names;
    }
    [[nodiscard]] std::vector<std::string> finding_ids() const {
        std::vector<std::string> ids;
        for (const auto& finding : findings)
            ids.push_back(finding.id);
        return ids;
    }
};

Found find(const GuestTree& tree) {
    Found found;
    auto root = tree.root();
    found.kernels = find_kernels(GuestFiles(root, found.findings));
    return found;
}

TEST(Kernels, Trap2_NewestByNumberAndRescueLast) {
    GuestTree tree;
    for (const std::string version :
         {"5.14.0-9.el9.x86_64", "5.14.0-70.el9.x86_64", "5.14.0-70.13.1.el9.x86_64"})
        tree.file("/boot/vmlinuz-" + version)
            .file("/boot/initramfs-" + version + ".img")
            .dir("/lib/modules/" + version);
    tree.file("/boot/vmlinuz-0-rescue-3f2a").file("/boot/initramfs-0-rescue-3f2a.img");
    auto found = find(tree);
    EXPECT_THAT(found.versions(), ElementsAre("5.14.0-70.13.1.el9.x86_64", "5.14.0-70.el9.x86_64",
                                              "5.14.0-9.el9.x86_64", "0-rescue-3f2a"));
    EXPECT_TRUE(found.kernels.back().rescue);
    EXPECT_FALSE(found.kernels.front().rescue);
    EXPECT_THAT(found.findings, IsEmpty());
}

TEST(Kernels, DebianWithLinksAndLeftovers) {
    GuestTree tree;
    tree.file("/boot/vmlinuz-6.1.0-18-amd64")
        .file("/boot/initrd.img-6.1.0-18-amd64")
        .dir("/usr/lib/modules/6.1.0-18-amd64");
    tree.link("/lib", "usr/lib")
        .file("/boot/config-6.1.0-18-amd64")
        .file("/boot/System.map-6.1.0-18-amd64");
    tree.file("/boot/vmlinuz-6.1.0-18-amd64.dpkg-tmp")
        .link("/vmlinuz", "boot/vmlinuz-6.1.0-18-amd64");
    auto found = find(tree);
    ASSERT_EQ(found.kernels.size(), 1U);
    EXPECT_EQ(found.kernels[0].image, "/boot/vmlinuz-6.1.0-18-amd64");
    EXPECT_EQ(found.kernels[0].initramfs, "/boot/initrd.img-6.1.0-18-amd64");
    EXPECT_EQ(found.kernels[0].modules_dir, "/lib/modules/6.1.0-18-amd64");
}

TEST(Kernels, SuseKeepsAKernelForDebuggers) {
    GuestTree tree;
    tree.file("/usr/lib/modules/5.14.21-150500.53-default/vmlinuz").link("/lib", "usr/lib");
    tree.file("/boot/vmlinux-5.14.21-150500.53-default.gz")
        .file("/boot/initrd-5.14.21-150500.53-default");
    tree.link("/boot/vmlinuz-5.14.21-150500.53-default",
              "../usr/lib/modules/5.14.21-150500.53-default/vmlinuz");
    auto found = find(tree);
    ASSERT_EQ(found.kernels.size(), 1U);
    EXPECT_EQ(found.kernels[0].image, "/boot/vmlinuz-5.14.21-150500.53-default");
    EXPECT_EQ(found.kernels[0].initramfs, "/boot/initrd-5.14.21-150500.53-default");
}

TEST(Kernels, ArchByPackageBase) {
    GuestTree tree;
    tree.file("/usr/lib/modules/6.7.4-arch1-1/pkgbase", "linux\n")
        .file("/usr/lib/modules/6.6.16-1-lts/pkgbase", "linux-lts\n");
    tree.file("/boot/vmlinuz-linux")
        .file("/boot/initramfs-linux.img")
        .file("/boot/initramfs-linux-fallback.img");
    tree.file("/boot/vmlinuz-linux-lts").file("/boot/initramfs-linux-lts.img");
    auto found = find(tree);
    EXPECT_THAT(found.versions(), ElementsAre("6.7.4-arch1-1", "6.6.16-1-lts"));
    EXPECT_EQ(found.kernels[0].image, "/boot/vmlinuz-linux");
    EXPECT_EQ(found.kernels[0].initramfs, "/boot/initramfs-linux.img");
    EXPECT_EQ(found.kernels[0].modules_dir, "/usr/lib/modules/6.7.4-arch1-1");
    EXPECT_EQ(found.kernels[1].initramfs, "/boot/initramfs-linux-lts.img");
}

TEST(Kernels, AlpineByFlavour) {
    GuestTree tree;
    tree.file("/boot/vmlinuz-lts")
        .file("/boot/initramfs-lts")
        .dir("/lib/modules/6.6.8-0-lts")
        .dir("/lib/modules/6.6.14-0-lts");
    auto found = find(tree);
    ASSERT_EQ(found.kernels.size(), 1U);
    EXPECT_EQ(found.kernels[0].version, "6.6.14-0-lts");
    EXPECT_EQ(found.kernels[0].initramfs, "/boot/initramfs-lts");
}

TEST(Kernels, OfBootEntriesOutsideTheUsualPlaces) {
    GuestTree tree;
    tree.file("/boot/3f2a/6.7.4/linux").file("/boot/3f2a/6.7.4/initrd").dir("/lib/modules/6.7.4");
    tree.file(
        "/boot/loader/entries/3f2a-6.7.4.conf",
        "title Arch\nversion 6.7.4\nlinux /3f2a/6.7.4/linux\n"
        "initrd /intel-ucode.img\ninitrd /3f2a/6.7.4/initrd\noptions root=UUID=x\noptions quiet\n");
    auto found = find(tree);
    ASSERT_EQ(found.kernels.size(), 1U);
    EXPECT_EQ(found.kernels[0].version, "6.7.4");
    EXPECT_EQ(found.kernels[0].image, "/boot/3f2a/6.7.4/linux");
    EXPECT_EQ(found.kernels[0].initramfs, "/boot/3f2a/6.7.4/initrd");
}

TEST(Kernels, EntriesOfTheUsualKernelsAddNothing) {
    GuestTree tree;
    tree.file("/boot/vmlinuz-6.7.4-200.fc39.x86_64")
        .file("/boot/initramfs-6.7.4-200.fc39.x86_64.img")
        .dir("/lib/modules/6.7.4-200.fc39.x86_64");
    tree.file("/boot/loader/entries/x.conf",
              "version 6.7.4-200.fc39.x86_64\nlinux /vmlinuz-6.7.4-200.fc39.x86_64\n"
              "initrd /initramfs-6.7.4-200.fc39.x86_64.img $tuned_initrd\n");
    EXPECT_EQ(find(tree).kernels.size(), 1U);
    EXPECT_THAT(parse_boot_entry("initrd /a.img $tuned_initrd\n").initramfs, ElementsAre("/a.img"));
}

TEST(Kernels, GapsAreFindings) {
    GuestTree tree;
    tree.file("/boot/vmlinuz-6.1.0");
    EXPECT_THAT(find(tree).finding_ids(),
                ElementsAre("kernel-without-initramfs", "kernel-without-modules"));
}

TEST(InitramfsGenerator, ByWhatIsInstalled) {
    auto detect = [](const GuestTree& tree) {
        report::Findings findings;
        auto root = tree.root();
        return detect_initramfs_generator(GuestFiles(root, findings));
    };
    GuestTree debian;
    debian.file("/usr/sbin/update-initramfs")
        .dir("/usr/share/initramfs-tools/hooks")
        .file("/etc/initramfs-tools/initramfs.conf");
    EXPECT_EQ(detect(debian), "initramfs-tools");
    GuestTree debian_with_dracut;
    debian_with_dracut.file("/usr/sbin/update-initramfs").file("/usr/bin/dracut");
    EXPECT_EQ(detect(debian_with_dracut), "dracut");
    GuestTree suse;
    suse.file("/usr/bin/dracut").file("/sbin/mkinitrd");
    EXPECT_EQ(detect(suse), "dracut");
    EXPECT_EQ(detect(GuestTree().file("/usr/bin/mkinitcpio")), "mkinitcpio");
    EXPECT_EQ(detect(GuestTree().file("/sbin/mkinitfs")), "mkinitfs");
    EXPECT_EQ(detect(GuestTree().file("/sbin/mkinitrd")), "mkinitrd");
    EXPECT_EQ(detect(GuestTree()), "");
}

} // namespace
} // namespace slipway::guest
