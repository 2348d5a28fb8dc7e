// SPDX-License-Identifier: Apache-2.0
#include "guest/kernels.hpp"

#include <algorithm>
#include <array>
#include <map>
#include <optional>
#include <set>

#include <fmt/format.h>

#include "base/strings.hpp"
#include "guest/boot_entries.hpp"

namespace slipway::guest {
namespace {

using report::Kernel;
using report::Severity;
using Names = std::vector<std::string>;

constexpr std::size_t max_kernels = 128;
// The first is what a boot loader starts where two of them carry one version: SUSE keeps
// vmlinux-V.gz beside vmlinuz-V for debuggers.
constexpr std::array<std::string_view, 3> image_prefixes{"vmlinuz-", "vmlinux-", "kernel-"};

bool is_in(const Names& sorted, const std::string& name) {
    return std::binary_search(sorted.begin(), sorted.end(), name);
}

bool is_leftover(std::string_view name) {
    constexpr std::array<std::string_view, 9> endings{".old",      ".bak",     ".gz",
                                                      ".sig",      ".hmac",    ".dpkg-new",
                                                      ".dpkg-tmp", ".rpmsave", ".slipway-orig"};
    return std::any_of(endings.begin(), endings.end(),
                       [&](auto ending) { return name.ends_with(ending); });
}

bool is_rescue(std::string_view version) {
    return version.starts_with("0-rescue-") || version.find("-rescue") != std::string_view::npos;
}

/// Directories that were listed once, for all kernels.
struct Listing {
    Names boot;
    std::string modules_dir; ///< "/lib/modules" or "/usr/lib/modules"
    Names modules;
    std::map<std::string, std::string> pkgbase{}; ///< Arch: package name -> version
};

Listing list_directories(const GuestFiles& files) {
    Listing listing{.boot = files.list("/boot"),
                    .modules_dir = "/lib/modules",
                    .modules = files.list("/lib/modules")};
    if (listing.modules.empty()) {
        listing.modules_dir = "/usr/lib/modules";
        listing.modules = files.list(listing.modules_dir);
    }
    for (std::size_t i = 0; i < std::min(listing.modules.size(), max_kernels); ++i) {
        const auto& version = listing.modules[i];
        if (auto name = files.read(fmt::format("{}/{}/pkgbase", listing.modules_dir, version), 256))
            listing.pkgbase[std::string(trim(*name))] = version;
    }
    return listing;
}

// What follows "vmlinuz-" is the version, but for Arch ("linux-lts") and Alpine ("lts").
std::string version_of(const std::string& suffix, const Listing& listing) {
    if (is_in(listing.modules, suffix))
        return suffix;
    if (auto package = listing.pkgbase.find(suffix); package != listing.pkgbase.end())
        return package->second;
    bool is_flavour = suffix.find_first_of("0123456789") == std::string::npos;
    std::string newest;
    if (is_flavour)
        for (const auto& version : listing.modules)
            if (version.ends_with("-" + suffix) && compare_versions(version, newest) > 0)
                newest = version;
    return newest.empty() ? suffix : newest;
}

std::string initramfs_for(const std::string& suffix, const Names& boot) {
    for (const auto& name :
         {"initrd.img-" + suffix, "initramfs-" + suffix + ".img", "initrd-" + suffix,
          "initrd-" + suffix + ".img", "initramfs-" + suffix})
        if (is_in(boot, name))
            return "/boot/" + name;
    return {};
}

std::string modules_dir_for(const std::string& version, const Listing& listing) {
    return is_in(listing.modules, version) ? fmt::format("{}/{}", listing.modules_dir, version)
                                           : std::string{};
}

/// Collects kernels, each version once.
class Collector {
public:
    explicit Collector(const Listing& listing) : listing_(listing) {}

    void add_image(const std::string& name, std::string_view prefix) {
        auto suffix = name.substr(prefix.size());
        add({.version = version_of(suffix, listing_),
             .image = "/boot/" + name,
             .initramfs = initramfs_for(suffix, listing_.boot),
             .rescue = is_rescue(suffix)});
    }
    void add(Kernel kernel) {
        if (kernel.version.empty() || kernels_.size() >= max_kernels ||
            !versions_.insert(kernel.version).second || !images_.insert(kernel.image).second)
            return;
        kernel.modules_dir = modules_dir_for(kernel.version, listing_);
        kernels_.push_back(std::move(kernel));
    }
    [[nodiscard]] std::vector<Kernel> take() {
        std::sort(kernels_.begin(), kernels_.end(), [](const auto& a, const auto& b) {
            if (a.rescue != b.rescue)
                return b.rescue;
            return compare_versions(a.version, b.version) > 0;
        });
        return std::move(kernels_);
    }

private:
    const Listing& listing_;
    std::vector<Kernel> kernels_;
    std::set<std::string> versions_;
    std::set<std::string> images_;
};

void report_gaps(const Kernel& kernel, const GuestFiles& files) {
    if (kernel.rescue)
        return;
    if (kernel.initramfs.empty())
        files.find({.id = "kernel-without-initramfs",
                    .severity = Severity::Warning,
                    .where = kernel.version,
                    .text = fmt::format("kernel {} has no initramfs in /boot", kernel.version),
                    .remedy = "it boots only if its disk drivers are built in"});
    if (kernel.modules_dir.empty())
        files.find(
            {.id = "kernel-without-modules",
             .severity = Severity::Warning,
             .where = kernel.version,
             .text = fmt::format("kernel {} has no directory below /lib/modules", kernel.version)});
}

} // namespace

std::vector<Kernel> find_kernels(const GuestFiles& files) {
    auto listing = list_directories(files);
    Collector collector(listing);
    for (auto prefix : image_prefixes)
        for (const auto& name : listing.boot)
            if (name.starts_with(prefix) && name.size() > prefix.size() && !is_leftover(name))
                collector.add_image(name, prefix);
    for (const auto& entry : read_boot_entries(files))
        if (auto image = boot_path_of(files, entry.kernel); !image.empty())
            collector.add({.version = entry.version,
                           .image = image,
                           .initramfs = entry.initramfs.empty()
                                            ? ""
                                            : boot_path_of(files, entry.initramfs.back()),
                           .rescue = is_rescue(entry.version)});
    auto kernels = collector.take();
    for (const auto& kernel : kernels)
        report_gaps(kernel, files);
    return kernels;
}

std::string detect_initramfs_generator(const GuestFiles& files) {
    struct Generator {
        std::string_view name;
        std::initializer_list<std::string_view> programs;
    };
    // Debian's dracut package leaves initramfs-tools-core behind, so the tool's hooks must be there
    // too; SUSE's and RHEL's mkinitrd is a wrapper of dracut.
    if (files.exists("/usr/sbin/update-initramfs") &&
        files.exists("/usr/share/initramfs-tools/hooks") &&
        files.exists("/etc/initramfs-tools/initramfs.conf"))
        return "initramfs-tools";
    const std::array<Generator, 4> generators{
        Generator{"dracut", {"/usr/bin/dracut", "/usr/sbin/dracut", "/sbin/dracut"}},
        Generator{"mkinitcpio", {"/usr/bin/mkinitcpio"}},
        Generator{"mkinitfs", {"/sbin/mkinitfs", "/usr/sbin/mkinitfs"}},
        Generator{"mkinitrd", {"/sbin/mkinitrd", "/usr/bin/mkinitrd"}},
    };
    for (const auto& generator : generators)
        if (!files.first_of(generator.programs).empty())
            return std::string(generator.name);
    return {};
}

} // namespace slipway::guest
