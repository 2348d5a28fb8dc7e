// SPDX-License-Identifier: Apache-2.0
// virtio in the initramfs of every kernel: by an appended segment, which runs nothing of the guest,
// or by the guest's own generator where the user asked for that.
#include <algorithm>
#include <set>

#include <fmt/format.h>

#include "base/units.hpp"
#include "guest/module_tree.hpp"
#include "repair/generator.hpp"
#include "repair/initramfs_files.hpp"
#include "repair/judge_kernels.hpp"
#include "repair/repairs.hpp"

namespace slipway::repair {
namespace {

using report::ActionKind;
using report::Inventory;
using report::Kernel;
using report::Plan;
using report::Severity;

bool lacks_virtio(const Kernel& kernel) {
    return kernel.examined && !kernel.virtio_in_initramfs && !kernel.virtio_builtin;
}

bool can_append(const Kernel& kernel) {
    return lacks_virtio(kernel) && !kernel.initramfs.empty() && kernel.initramfs_error.empty() &&
           !kernel.missing_modules.empty();
}

// The drivers themselves; what they depend on follows by itself.
Modules drivers_to_keep(const Inventory& inventory) {
    std::set<std::string> missing;
    for (const auto& kernel : inventory.kernels)
        missing.insert(kernel.missing_modules.begin(), kernel.missing_modules.end());
    Modules drivers;
    for (const auto& driver : guest::virtio_disk_modules())
        if (missing.contains(driver))
            drivers.push_back(driver);
    return drivers.empty() ? Modules(missing.begin(), missing.end()) : drivers;
}

// What the generator copied into the image from configuration that the other repairs correct: a
// RESUME= of the old machine makes every boot wait half a minute for that device.
void correct_files(const Inventory& inventory, const Kernel& kernel, report::Action& action,
                   Plan& plan) {
    for (const auto& [path, text] : kernel.initramfs_files) {
        auto edited = stabilize_initramfs_file(
            inventory, path, fmt::format("{} in {}", path, kernel.initramfs), text);
        std::move(edited.findings.begin(), edited.findings.end(),
                  std::back_inserter(plan.findings));
        if (edited.changes.empty())
            continue;
        action.files.emplace(path, std::move(edited.content));
        std::move(edited.changes.begin(), edited.changes.end(), std::back_inserter(action.changes));
    }
}

void plan_segment(const Inventory& inventory, const Kernel& kernel, Plan& plan) {
    report::Action action{.repair = "initramfs",
                          .kind = ActionKind::AppendInitramfs,
                          .path = kernel.initramfs,
                          .reason = "it names devices of the old machine",
                          .kernel = kernel.version,
                          .estimate = 0.5};
    if (can_append(kernel)) {
        action.modules = kernel.missing_modules;
        action.reason = "the disk is on virtio after the move";
    } else if (auto finding = judge_kernel(inventory, kernel))
        plan.findings.push_back(std::move(*finding));
    correct_files(inventory, kernel, action, plan);
    if (!action.modules.empty() || !action.files.empty())
        plan.actions.push_back(std::move(action));
}

std::string obstacle(const Inventory& inventory, const report::Policy& policy) {
    if (!policy.may_run_guest_programs)
        return "programs of this guest cannot be run here";
    if (inventory.initramfs_generator.empty())
        return "no initramfs generator was found in the guest";
    return {};
}

// virt-v2v asks for 50 MB in /boot too: an image is written beside the old one.
void check_space(const Inventory& inventory, Plan& plan) {
    constexpr std::uint64_t wanted = 50 << 20;
    for (const auto* path : {"/boot", "/"}) {
        auto mounted = inventory.mountpoints.find(path);
        if (mounted == inventory.mountpoints.end())
            continue;
        const auto* volume = inventory.find_volume(mounted->second);
        if (volume == nullptr || !volume->used || volume->size < *volume->used)
            return;
        if (auto free = volume->size - *volume->used; free < wanted)
            plan.findings.push_back(
                {"little-space", Severity::Warning, path,
                 fmt::format("{} are free, which may be too little for a new initramfs",
                             format_size(free)),
                 "remove old kernels in the guest, or repair without --regen-initramfs"});
        return;
    }
}

/// Kernels that the generator may be run for; the others get a segment.
std::vector<const Kernel*> to_regenerate(const Inventory& inventory) {
    std::vector<const Kernel*> kernels;
    for (const auto& kernel : inventory.kernels)
        if (!kernel.rescue && !kernel.modules_dir.empty() && is_plain_version(kernel.version))
            kernels.push_back(&kernel);
    return kernels;
}

void plan_regeneration(const Inventory& inventory, Plan& plan) {
    auto kernels = to_regenerate(inventory);
    auto runs = regenerate(inventory, kernels);
    if (runs.empty()) {
        plan.findings.push_back(
            {"initramfs-not-regenerated", Severity::Warning, "",
             fmt::format("the generator {} cannot be run here; a segment is appended instead",
                         inventory.initramfs_generator),
             ""});
        kernels.clear();
    } else
        check_space(inventory, plan);
    std::move(runs.begin(), runs.end(), std::back_inserter(plan.actions));
    for (const auto& kernel : inventory.kernels)
        if (is_plain_version(kernel.version) &&
            std::find(kernels.begin(), kernels.end(), &kernel) == kernels.end())
            plan_segment(inventory, kernel, plan);
}

void report_odd_versions(const Inventory& inventory, Plan& plan) {
    for (const auto& kernel : inventory.kernels)
        if (!is_plain_version(kernel.version))
            plan.findings.push_back(
                {"odd-kernel-version", Severity::Error, kernel.version,
                 "the name of this kernel is no kernel version; its initramfs is left alone", ""});
}

Plan plan(const Inventory& inventory, const report::Policy& policy) {
    Plan result;
    report_odd_versions(inventory, result);
    if (auto keep = keep_modules(inventory, drivers_to_keep(inventory)))
        result.actions.push_back(std::move(*keep));
    auto why = policy.regen_initramfs ? obstacle(inventory, policy) : "";
    if (!why.empty())
        result.findings.push_back({"initramfs-not-regenerated", Severity::Warning, "",
                                   "a segment is appended instead: " + why, ""});
    if (policy.regen_initramfs && why.empty())
        plan_regeneration(inventory, result);
    else
        for (const auto& kernel : inventory.kernels)
            if (is_plain_version(kernel.version))
                plan_segment(inventory, kernel, result);
    return result;
}

Detection detect(const Inventory& inventory) {
    bool unknown = std::any_of(inventory.kernels.begin(), inventory.kernels.end(),
                               [](const auto& kernel) { return !kernel.examined; });
    if (unknown)
        return {Verdict::Unsure, "the initramfs images were not examined"};
    return detection_of(plan(inventory, {}));
}

// Reading the images anew is a deep examination, and `judge_kernels` says what it means.
report::Findings verify(const sys::RootDir& /*root*/, const Inventory& /*before*/) {
    return {};
}

} // namespace

Repair initramfs_repair() {
    return {"initramfs", detect, plan, verify};
}

} // namespace slipway::repair
