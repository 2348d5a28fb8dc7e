// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>
#include <utility>

#include "repair/repairs.hpp"

namespace slipway::repair {
namespace {

using report::add_new;
using report::Findings;
using report::Inventory;
using report::Plan;

} // namespace

std::span<const Repair> all_repairs() {
    // Text first, for the guest's own generators read it; GRUB last, for it lists initramfs images.
    static const std::array repairs{
        fstab_repair(),       crypttab_repair(),  mdadm_config_repair(), kernel_arguments_repair(),
        stale_files_repair(), initramfs_repair(), grub_config_repair(),
    };
    return repairs;
}

Plan plan_all(const Inventory& inventory, const report::Policy& policy) {
    Plan all;
    for (const auto& repair : all_repairs()) {
        auto plan = repair.plan(inventory, policy);
        std::move(plan.actions.begin(), plan.actions.end(), std::back_inserter(all.actions));
        add_new(all.findings, std::move(plan.findings));
    }
    return all;
}

Findings verify_all(const sys::RootDir& root, const Inventory& before) {
    Findings all;
    for (const auto& repair : all_repairs())
        add_new(all, repair.verify(root, before));
    return all;
}

Detection detection_of(const Plan& plan) {
    if (!plan.actions.empty())
        return {Verdict::Yes, report::render_text(plan.actions.front())};
    if (!plan.findings.empty())
        return {Verdict::Unsure, plan.findings.front().text};
    return {};
}

} // namespace slipway::repair
