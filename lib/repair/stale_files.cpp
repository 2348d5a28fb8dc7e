// SPDX-License-Identifier: Apache-2.0
// Removes what pins disks of the old machine; guest/stale_files.hpp is the list.
#include "guest/stale_files.hpp"
#include "repair/repairs.hpp"

namespace slipway::repair {
namespace {

using report::Inventory;

report::Plan plan(const Inventory& inventory, const report::Policy& /*policy*/) {
    report::Plan result;
    for (const auto& stale : guest::stale_files)
        if (inventory.file(std::string(stale.path)) != nullptr)
            result.actions.push_back({.repair = "stale-files",
                                      .kind = report::ActionKind::RemoveFile,
                                      .path = std::string(stale.path),
                                      .reason = std::string(stale.reason)});
    return result;
}

Detection detect(const Inventory& inventory) {
    return detection_of(plan(inventory, {}));
}

report::Findings verify(const sys::RootDir& root, const Inventory& /*before*/) {
    report::Findings findings;
    for (const auto& stale : guest::stale_files)
        if (root.exists(sys::GuestPath(stale.path)))
            findings.push_back({"stale-file", report::Severity::Warning, std::string(stale.path),
                                std::string(stale.reason), "remove it"});
    return findings;
}

} // namespace

Repair stale_files_repair() {
    return {"stale-files", detect, plan, verify};
}

} // namespace slipway::repair
