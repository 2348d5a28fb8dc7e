// SPDX-License-Identifier: Apache-2.0
#include "appliance/initramfs.hpp"

#include <array>
#include <filesystem>

#include <sys/stat.h>

#include <fmt/format.h>

#include "appliance/kernel_modules.hpp"
#include "appliance/program_files.hpp"
#include "archive/cpio_writer.hpp"
#include "base/strings.hpp"
#include "sys/process.hpp"

namespace slipway::appliance {
namespace {

constexpr std::size_t largest_module = 64 << 20;

// What a worker runs on a host, too: checks and tools of filesystems and volumes. Many are the same
// file under several names; a link would have to lead to where that file is in the machine.
constexpr std::array tools{
    "depmod", "e2fsck", "tune2fs", "resize2fs", "mke2fs", "xfs_repair", "xfs_db", "mkfs.xfs",
    "btrfs", "btrfstune", "mkfs.btrfs", "fsck.fat", "mkfs.fat", "ntfs-3g", "lowntfs-3g", "ntfsfix",
    "mkfs.ntfs", "lvm", "dmsetup", "thin_check", "cache_check", "mdadm", "mdmon", "zpool", "zfs",
    "mkswap",
    // Calls of the guestfs API start these.
    "blkid", "sfdisk", "swaplabel", "zerofree", "fatlabel", "exfatlabel", "ntfslabel", "ntfsresize",
    "ntfsclone", "ntfscat", "ntfs-3g.probe", "btrfs-image", "xfs_growfs", "mkfs.f2fs", "mkfs.exfat",
    "mkfs.minix", "file"};
struct Alias {
    const char* name;
    const char* tool;
};
constexpr std::array aliases{Alias{"fsck.ext2", "e2fsck"},    Alias{"fsck.ext3", "e2fsck"},
                             Alias{"fsck.ext4", "e2fsck"},    Alias{"mkfs.ext2", "mke2fs"},
                             Alias{"mkfs.ext3", "mke2fs"},    Alias{"mkfs.ext4", "mke2fs"},
                             Alias{"fsck.vfat", "fsck.fat"},  Alias{"mkfs.vfat", "mkfs.fat"},
                             Alias{"mkfs.msdos", "mkfs.fat"}, Alias{"mount.ntfs-3g", "ntfs-3g"},
                             Alias{"mount.ntfs", "ntfs-3g"}};

// Of file(1).
constexpr const char* magic_numbers = "/usr/share/misc/magic.mgc";

// With these glibc converts the names in a Windows registry for libhivex; it opens them by itself.
constexpr std::array conversions{"gconv-modules", "UTF-16.so", "ISO8859-1.so"};
constexpr std::array conversion_directories{"/usr/lib/x86_64-linux-gnu/gconv", "/usr/lib64/gconv",
                                            "/usr/lib/gconv"};

// Of Augeas.
constexpr auto lenses = "/usr/share/augeas/lenses/dist";
constexpr std::size_t largest_lens = 1 << 20;

// Of kmod: it reads these only.
constexpr std::array indexes{"modules.dep.bin",           "modules.alias.bin",
                             "modules.symbols.bin",       "modules.builtin.bin",
                             "modules.builtin.alias.bin", "modules.softdep",
                             "modules.builtin.modinfo"};

using archive::CpioTree;

Status add_programs(const std::string& worker, CpioTree& tree) {
    ProgramFiles programs;
    auto added = programs.add_as(worker, "/init");
    if (!added)
        return fail(std::move(added.error()).in("taking the worker into the sandbox"));
    // The kernel's wishes for modules come by the name that the worker has.
    for (const auto* tool : tools)
        if (auto path = sys::find_program(tool)) [[maybe_unused]]
            auto tool_added = programs.add(*path); // or it is as if it were not installed
    (void)programs.add(magic_numbers);             // where this host has them
    for (const auto* directory : conversion_directories)
        for (const auto* name : conversions)
            (void)programs.add(fmt::format("{}/{}", directory, name)); // where this host has them
    auto files = programs.take();
    for (const auto& alias : aliases)
        for (const auto* directory : {"/usr/sbin", "/usr/bin", "/sbin", "/bin"})
            if (files.contains(fmt::format("{}/{}", directory, alias.tool))) {
                tree.add(fmt::format("{}/{}", directory, alias.name), S_IFLNK | 0777, alias.tool);
                break;
            }
    for (auto& [path, content] : files)
        tree.add(path, S_IFREG | 0755, std::move(content));
    return {};
}

// Where this host has them.
void add_lenses(CpioTree& tree) {
    std::error_code absent;
    for (const auto& entry : std::filesystem::directory_iterator(lenses, absent))
        if (entry.path().extension() == ".aug")
            if (auto content = sys::read_file(entry.path().string(), largest_lens))
                tree.add(entry.path().string(), S_IFREG | 0644, std::move(*content));
}

Status add_modules(const std::string& release, const std::string& modules,
                   std::span<const std::string_view> names, CpioTree& tree) {
    auto inside = fmt::format("/lib/modules/{}/", release);
    SLIPWAY_TRY(auto dependencies, sys::read_file(modules + "/modules.dep", largest_module));
    for (const auto& path : module_closure(dependencies, names)) {
        SLIPWAY_TRY(auto content, sys::read_file(modules + "/" + path, largest_module));
        tree.add(inside + path, S_IFREG | 0644, std::move(content));
    }
    for (const auto* name : indexes) {
        auto content = sys::read_file(modules + "/" + name, largest_module);
        if (content)
            tree.add(inside + name, S_IFREG | 0644, std::move(*content));
        else if (content.error().code != Code::NotFound)
            return fail(std::move(content).error());
    }
    return {};
}

CpioTree empty_tree() {
    CpioTree tree;
    for (const auto* directory : {"/proc", "/sys", "/dev", "/run", "/tmp", "/etc", "/root", "/var"})
        tree.add_directory(directory);
    return tree;
}

Result<sys::OwnedFd> pack(const CpioTree& tree) {
    SLIPWAY_TRY(auto archive, archive::write_cpio(tree.entries()));
    return sys::make_memfd("initramfs", archive);
}

} // namespace

Result<sys::OwnedFd> build_initramfs(const std::string& worker, const Kernel& kernel) {
    auto tree = empty_tree();
    SLIPWAY_CHECK(add_programs(worker, tree));
    add_lenses(tree);
    SLIPWAY_CHECK(add_modules(kernel.release, kernel.modules, modules_for_images(), tree));
    return pack(tree);
}

Result<sys::OwnedFd> build_testbed_initramfs(const std::string& worker,
                                             const TestedKernel& kernel) {
    auto tree = empty_tree();
    ProgramFiles programs;
    auto added = programs.add_as(worker, "/init");
    if (!added)
        return fail(std::move(added.error()).in("taking the worker into the machine"));
    for (auto& [path, content] : programs.take())
        tree.add(path, S_IFREG | 0755, std::move(content));
    if (!kernel.modules.empty())
        SLIPWAY_CHECK(add_modules(kernel.release, kernel.modules, modules_for_tests(), tree));
    return pack(tree);
}

} // namespace slipway::appliance
