// SPDX-License-Identifier: Apache-2.0
#include "repair/judge_kernels.hpp"

#include <string>

#include <fmt/format.h>

#include "base/strings.hpp"
#include "guest/grub_env.hpp"
#include "guest/shell_config.hpp"
#include "repair/initramfs_files.hpp"
#include "repair/repair.hpp"
#include "repair/verify_boot.hpp"

namespace slipway::repair {
namespace {

using report::Inventory;
using report::Kernel;
using report::Severity;

std::string saved_entry(const Inventory& inventory) {
    const auto* defaults = inventory.file("/etc/default/grub");
    if (defaults == nullptr)
        return {};
    auto assignments = guest::parse_shell_assignments(*defaults);
    const auto* choice = guest::last_assignment(assignments, "GRUB_DEFAULT");
    if (choice == nullptr || choice->value != "saved")
        return {};
    for (const auto* path : {"/boot/grub2/grubenv", "/boot/grub/grubenv"})
        if (const auto* block = inventory.file(path); block != nullptr)
            if (auto entry = guest::grub_variable(*block, "saved_entry"))
                return std::string(*entry);
    return {};
}

bool finds_virtio(const Kernel& kernel) {
    return kernel.virtio_in_initramfs || kernel.virtio_builtin;
}

std::string reason(const Kernel& kernel) {
    if (!kernel.initramfs_error.empty())
        return kernel.initramfs_error;
    if (kernel.initramfs.empty())
        return "it has no initramfs, and virtio is not built in";
    return fmt::format("its initramfs lacks {}", join(kernel.missing_modules, ", "));
}

} // namespace

const Kernel* default_kernel(const Inventory& inventory) {
    const Kernel* chosen = nullptr;
    if (auto entry = saved_entry(inventory); !entry.empty())
        for (const auto& kernel : inventory.kernels) // 6.1.0-1 is part of 6.1.0-13's name too
            if (entry.find(kernel.version) != std::string::npos &&
                (chosen == nullptr || kernel.version.size() > chosen->version.size()))
                chosen = &kernel;
    if (chosen != nullptr)
        return chosen;
    for (const auto& kernel : inventory.kernels)
        if (!kernel.rescue)
            return &kernel;
    return inventory.kernels.empty() ? nullptr : &inventory.kernels.front();
}

std::optional<report::Finding> judge_kernel(const Inventory& inventory, const Kernel& kernel) {
    if (!kernel.examined || finds_virtio(kernel))
        return std::nullopt;
    bool boots_by_default = &kernel == default_kernel(inventory);
    return report::Finding{
        "kernel-without-virtio", boots_by_default ? Severity::Blocker : Severity::Warning,
        kernel.version,
        fmt::format("kernel {} cannot find a disk on virtio: {}", kernel.version, reason(kernel)),
        "use --regen-initramfs, or attach the disk by SATA"};
}

report::Findings judge_kernels(const Inventory& inventory) {
    report::Findings findings;
    if (inventory.kernels.empty() && inventory.os.type == "linux")
        findings.push_back({"no-kernel", Severity::Error, "/boot",
                            "no kernel was found in the guest",
                            "give the disk or the volume that holds /boot as well"});
    for (const auto& kernel : inventory.kernels) {
        if (auto finding = judge_kernel(inventory, kernel))
            findings.push_back(std::move(*finding));
        for (const auto& [path, text] : kernel.initramfs_files) {
            auto name = fmt::format("{} in {}", path, kernel.initramfs);
            for (auto& finding : check_host_names(name, text, inventory))
                findings.push_back(std::move(finding));
            for (auto& finding : check_initramfs_file(inventory, path, name, text))
                findings.push_back(std::move(finding));
        }
    }
    return findings;
}

} // namespace slipway::repair
