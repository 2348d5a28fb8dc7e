// SPDX-License-Identifier: Apache-2.0
#include "guest/initramfs.hpp"

#include <algorithm>
#include <atomic>
#include <thread>
#include <vector>

#include <sys/stat.h>

#include <fmt/format.h>

#include "base/strings.hpp"
#include "base/units.hpp"
#include "guest/initramfs_cache.hpp"
#include "guest/initramfs_contents.hpp"
#include "guest/module_tree.hpp"

namespace slipway::guest {
namespace {

// A hole costs a hostile guest nothing, and reading it costs us time.
constexpr off_t max_initramfs = off_t{2} << 30;

Result<ModuleTree> modules_of(const report::Kernel& kernel, const sys::RootDir& root) {
    if (kernel.modules_dir.empty())
        return ModuleTree{};
    SLIPWAY_TRY(auto directory, sys::GuestPath::parse(kernel.modules_dir));
    auto tree = ModuleTree::read(root, directory);
    if (!tree && tree.error().code == Code::NotFound)
        return ModuleTree{};
    return tree;
}

Result<InitramfsContents> contents_of(const report::Kernel& kernel, const sys::RootDir& root,
                                      const InitramfsCache& cache) {
    if (kernel.initramfs.empty())
        return fail(Code::NotFound, "this kernel has no initramfs");
    SLIPWAY_TRY(auto path, sys::GuestPath::parse(kernel.initramfs));
    SLIPWAY_TRY(auto file, root.open_path(path, O_RDONLY));
    struct stat info {};
    if (::fstat(file.raw(), &info) != 0)
        return fail_errno(fmt::format("looking at {}", kernel.initramfs));
    if (info.st_size > max_initramfs)
        return fail(Code::Unsupported,
                    fmt::format("{} has {}, which is no initramfs", kernel.initramfs,
                                format_size(static_cast<std::uint64_t>(info.st_size))));
    return cache.contents_of(file, kernel.modules_dir.empty() ? "" : kernel.version);
}

/// What is missing and cannot be had, or "".
std::string lacking(const ModuleTree& tree, const InitramfsContents& contents) {
    for (const auto& name : virtio_disk_modules())
        if (is_indispensable(name) && tree.path_of(name) == nullptr && !tree.is_builtin(name) &&
            !contents.modules.contains(name) && !contents.builtin.contains(name))
            return name;
    return {};
}

bool is_all_builtin(const ModuleTree& tree) {
    const auto& wanted = virtio_disk_modules();
    return std::all_of(wanted.begin(), wanted.end(), [&](const auto& name) {
        return tree.is_builtin(name) || (!is_indispensable(name) && tree.path_of(name) == nullptr);
    });
}

void judge(report::Kernel& kernel, const ModuleTree& tree, const InitramfsContents& contents) {
    for (const auto& name : tree.closure(virtio_disk_modules()))
        if (!contents.modules.contains(name) && !tree.is_builtin(name) &&
            !contents.builtin.contains(name))
            kernel.missing_modules.push_back(name);
    if (auto name = lacking(tree, contents); !name.empty()) {
        kernel.initramfs_error =
            tree.empty()
                ? fmt::format("{} is not inside, and the guest has no modules of this kernel", name)
                : fmt::format("this kernel has no {}, neither as a module nor built in", name);
        return;
    }
    kernel.virtio_in_initramfs = kernel.missing_modules.empty();
}

void examine(report::Kernel& kernel, const sys::RootDir& root, const InitramfsCache& cache) {
    kernel.examined = true;
    kernel.virtio_in_initramfs = kernel.virtio_builtin = false;
    kernel.missing_modules.clear();
    kernel.initramfs_error.clear();
    kernel.initramfs_files.clear();
    auto tree = modules_of(kernel, root);
    if (!tree) {
        kernel.initramfs_error = render_line(tree.error());
        return;
    }
    kernel.virtio_builtin = is_all_builtin(*tree);
    if (kernel.initramfs.empty() && kernel.virtio_builtin)
        return; // it needs none
    auto contents = contents_of(kernel, root, cache);
    if (!contents) {
        kernel.initramfs_error = render_line(contents.error());
        return;
    }
    judge(kernel, *tree, *contents);
    kernel.initramfs_files = std::move(contents->boot_files);
}

} // namespace

void examine_kernel(report::Kernel& kernel, const sys::RootDir& root,
                    const ExamineOptions& options) {
    examine(kernel, root, InitramfsCache(options.cache_dir));
}

void examine_kernels(report::Inventory& inventory, const sys::RootDir& root,
                     const ExamineOptions& options) {
    auto& kernels = inventory.kernels;
    InitramfsCache cache(options.cache_dir);
    std::atomic<std::size_t> next = 0;
    auto work = [&] {
        for (std::size_t mine; (mine = next++) < kernels.size();)
            examine(kernels[mine], root, cache);
    };
    std::size_t wanted =
        options.threads != 0 ? options.threads : std::max(1U, std::thread::hardware_concurrency());
    std::vector<std::jthread> others;
    for (std::size_t i = 1; i < std::min(wanted, kernels.size()); ++i)
        others.emplace_back(work);
    work();
}

} // namespace slipway::guest
