// SPDX-License-Identifier: Apache-2.0
// A repair finds out whether a guest needs it, plans actions without touching anything, and reads
// the result back. `all_repairs` is the list; the order is the order of the actions.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "report/inventory.hpp"
#include "report/plan.hpp"
#include "sys/root_dir.hpp"

namespace slipway::repair {

enum class Verdict {
    No,     ///< nothing to do
    Yes,    ///< something to do, and how is known
    Unsure, ///< something is wrong that the repair cannot decide
};
struct Detection {
    Verdict verdict = Verdict::No;
    std::string reason{}; ///< empty for No
};

struct Repair {
    std::string_view name; ///< stands in Action.repair
    Detection (*detect)(const report::Inventory&);
    /// Pure: decides by the record alone (Inventory.files holds the text of the files).
    report::Plan (*plan)(const report::Inventory&, const report::Policy&);
    /// Reads the guest; changes nothing. `before` is the inventory that the plan was made from, so
    /// that what the guest named itself is told apart from what a run of its tools brought in.
    report::Findings (*verify)(const sys::RootDir&, const report::Inventory& before);
};

[[nodiscard]] std::span<const Repair> all_repairs();

/// Plans of all repairs in order. No two of them write one file, for each knows only the old text.
[[nodiscard]] report::Plan plan_all(const report::Inventory& inventory,
                                    const report::Policy& policy);
/// Findings of all repairs, without repetitions. Kernels are judged by `judge_kernels` after a new
/// deep examination, not here.
[[nodiscard]] report::Findings verify_all(const sys::RootDir& root,
                                          const report::Inventory& before);

/// What examined kernels mean for the boot on virtio disks. A blocker where the kernel that boots
/// by default cannot find them; warnings for the others. Kernels that were not examined are passed.
[[nodiscard]] report::Findings judge_kernels(const report::Inventory& inventory);

/// No: nothing planned; Yes: actions; Unsure: findings alone.
[[nodiscard]] Detection detection_of(const report::Plan& plan);

} // namespace slipway::repair
