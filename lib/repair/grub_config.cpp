// SPDX-License-Identifier: Apache-2.0
// Lets the guest's own grub-mkconfig write its grub.cfg anew, where the user asked for it. The
// files that it reads were mended by the repairs before.
#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "base/strings.hpp"
#include "guest/grub_cfg.hpp"
#include "repair/repairs.hpp"

namespace slipway::repair {
namespace {

using report::Inventory;
using report::Severity;

report::Finding not_run(std::string text, std::string remedy = {}) {
    return {"grub-not-regenerated", Severity::Warning, "", std::move(text), std::move(remedy)};
}

// Their root filesystem is a read-only snapshot that only transactional-update may change.
bool is_transactional(const report::OperatingSystem& os) {
    constexpr std::array distros{"opensuse-microos", "opensuse-leap-micro", "sle-micro",
                                 "sl-micro",         "opensuse-aeon",       "opensuse-kalpa"};
    return std::find(distros.begin(), distros.end(), os.distro) != distros.end();
}

/// Why grub-mkconfig must not run; "" if it may.
std::string obstacle(const Inventory& inventory, const report::Policy& policy) {
    const auto& loader = inventory.boot_loader;
    if (!policy.may_run_guest_programs)
        return "programs of this guest cannot be run here";
    if (loader.mkconfig.empty())
        return "the guest has no update-grub, grub2-mkconfig or grub-mkconfig";
    if (loader.grub_config.empty())
        return "the guest has no grub.cfg";
    if (is_transactional(inventory.os))
        return "the guest's root is a read-only snapshot";
    if (const auto* text = inventory.file(loader.grub_config);
        text != nullptr && guest::is_grub_stub(*text))
        return fmt::format("{} only loads another grub.cfg and must stay as it is",
                           loader.grub_config);
    return {};
}

report::Plan plan(const Inventory& inventory, const report::Policy& policy) {
    report::Plan result;
    if (!policy.update_grub)
        return result;
    if (auto why = obstacle(inventory, policy); !why.empty()) {
        result.findings.push_back(
            not_run("the GRUB configuration was edited, not regenerated: " + why));
        return result;
    }
    const auto& loader = inventory.boot_loader;
    report::Action action{.repair = "grub-config",
                          .kind = report::ActionKind::RunTool,
                          .path = loader.grub_config,
                          .reason = "the GRUB configuration as the guest itself makes it",
                          .argv = {loader.mkconfig},
                          .env = {"GRUB_DISABLE_OS_PROBER=true"},
                          .estimate = 5};
    // Debian's wrapper update-grub knows the path; see its one line in the package grub2-common.
    if (!basename_of(loader.mkconfig).starts_with("update-grub")) {
        action.argv.push_back("-o");
        action.argv.push_back(loader.grub_config);
    }
    result.actions.push_back(std::move(action));
    return result;
}

Detection detect(const Inventory& inventory) {
    const auto& loader = inventory.boot_loader;
    if (loader.kind != "grub2" || loader.grub_config.empty() ||
        inventory.file(loader.grub_config) != nullptr)
        return {};
    auto why = obstacle(inventory, {});
    return {why.empty() ? Verdict::Yes : Verdict::Unsure,
            fmt::format("{} is missing{}", loader.grub_config, why.empty() ? "" : ", and " + why)};
}

// What it wrote is read back by the repair of kernel arguments, with every other boot file.
report::Findings verify(const sys::RootDir& /*root*/, const Inventory& /*before*/) {
    return {};
}

} // namespace

Repair grub_config_repair() {
    return {"grub-config", detect, plan, verify};
}

} // namespace slipway::repair
