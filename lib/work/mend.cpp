// SPDX-License-Identifier: Apache-2.0
#include "work/mend.hpp"

#include <algorithm>

#include <fcntl.h>
#include <sys/statvfs.h>
#include <sys/utsname.h>

#include <fmt/format.h>

#include "base/units.hpp"
#include "guest/audit.hpp"
#include "guest/initramfs.hpp"
#include "guest/packages.hpp"
#include "repair/apply.hpp"
#include "repair/initramfs_segment.hpp"
#include "repair/repair.hpp"

namespace slipway::work {
namespace {

OpenedRoot::RootChoice system_choice(const Json& arguments, bool writable) {
    return {.name = json_get<std::string>(arguments, "root"), .writable = writable};
}

void examine(OpenedRoot& opened, const Json& arguments) {
    guest::examine_kernels(*opened.inventory, opened.tree->root(),
                           {.cache_dir = json_get<std::string>(arguments, "cache_dir")});
}

// A guest whose programs this machine's processor cannot run.
bool is_foreign(const report::OperatingSystem& os) {
    utsname host{};
    ::uname(&host);
    std::string_view machine = host.machine;
    bool x86_pair = machine == "x86_64" && os.arch == "i386";
    return !os.arch.empty() && os.arch != machine && !x86_pair;
}

repair::ApplyContext context_of(OpenedRoot& opened, enter::Root* chroot) {
    repair::ApplyContext context{.root = opened.tree->root(), .host = opened.host};
    if (chroot != nullptr)
        context.run_tool = repair::tools_of(*chroot, opened.host, opened.policy.tool_timeout);
    context.append_initramfs = [&opened](const sys::RootDir& root,
                                         const report::Action& action) -> Result<std::string> {
        SLIPWAY_TRY(auto record, repair::append_initramfs_segment(
                                     opened.host, root, action,
                                     {.scratch_dir = opened.workspace + "/scratch/segment"}));
        return fmt::format("{} bytes", record.size);
    };
    return context;
}

// What was seen beside what the repairs correct and judge: journals, filesystems that are missing.
report::Findings further_findings(const report::Inventory& inventory) {
    auto findings = inventory.findings;
    std::erase_if(findings, [](const report::Finding& finding) {
        return finding.remedy == guest::repair_remedy;
    });
    return findings;
}

using Outcomes = std::vector<report::Outcome>;

Result<Outcomes> carry_out(const std::vector<report::Action>& actions,
                           const repair::ApplyContext& context, Peer& peer) {
    Outcomes outcomes;
    for (const auto& action : actions) {
        SLIPWAY_CHECK(context.host.cancel.check());
        // Some take a moment and some minutes: how many are done tells nothing of what is left.
        peer.progress({.step = report::render_text(action), .bytes = false});
        SLIPWAY_TRY(auto outcome, repair::apply(action, context));
        outcomes.push_back(std::move(outcome));
    }
    return outcomes;
}

bool ran_a_tool(const report::Outcome& outcome) {
    return outcome.action.kind == report::ActionKind::RunTool;
}

// What the default repairs do about what the guest's tools left: kernels without virtio and names
// of the old machine, because a tool failed, or because it knew better.
std::vector<report::Action> actions_after_tools(const OpenedRoot& opened) {
    auto policy = opened.policy;
    policy.regen_initramfs = policy.update_grub = false;
    auto plan = repair::plan_all(*opened.inventory, policy);
    std::erase_if(plan.actions, [](const report::Action& action) {
        return action.kind != report::ActionKind::AppendInitramfs &&
               action.repair != "kernel-arguments";
    });
    return std::move(plan.actions);
}

// A tool that succeeded may have left no room for the guest to start in.
report::Findings full_filesystems(const mount::MountTree& tree) {
    constexpr std::uint64_t too_little = 1 << 20;
    report::Findings findings;
    for (const auto& [path, volume] : tree.mountpoints()) {
        struct statvfs info {};
        auto top = tree.root().open_path(sys::GuestPath(path), O_RDONLY | O_DIRECTORY);
        if (!top || ::fstatvfs(top->raw(), &info) != 0 || info.f_blocks == 0 ||
            (info.f_flag & ST_RDONLY) != 0)
            continue;
        auto free = static_cast<std::uint64_t>(info.f_bavail) * info.f_frsize;
        if (free < too_little)
            findings.push_back(
                {"filesystem-full", report::Severity::Warning, path,
                 fmt::format("{} on {} has only {} free", path, volume, format_size(free)),
                 "make room in the guest, which may not start otherwise"});
    }
    return findings;
}

} // namespace

Result<Json> inspect_root(OpenedRoot& opened, const Json& arguments, Peer&) {
    SLIPWAY_CHECK(opened.need_inventory(system_choice(arguments, false)));
    if (json_get<bool>(arguments, "deep"))
        examine(opened, arguments);
    return Json{{"inventory", report::to_json(*opened.inventory)},
                {"foreign", is_foreign(opened.inventory->os)}};
}

Result<Json> list_packages(OpenedRoot& opened, const Json& arguments, Peer&) {
    SLIPWAY_CHECK(opened.need_inventory(system_choice(arguments, false)));
    if (!opened.packages) {
        guest::GuestFiles files(opened.tree->root(), opened.package_findings);
        opened.packages = guest::read_packages(files, opened.inventory->os.package_format);
        // Each package can have a file of its own that is too large.
        constexpr std::size_t most_findings = 100;
        if (opened.package_findings.size() > most_findings)
            opened.package_findings.resize(most_findings);
    }
    // Pages keep the answer below the largest frame: a package has some 100 bytes as a rule, and
    // can have ten times as many.
    constexpr std::size_t page_size = 512 << 10;
    const auto& list = opened.packages->list;
    auto next = json_get<std::size_t>(arguments, "from");
    auto page = Json::array();
    for (std::size_t size = 0; next < list.size() && size < page_size; ++next) {
        page.push_back(report::to_json(list[next]));
        size += render_json(page.back()).size();
    }
    return Json{{"database", opened.packages->database},
                {"packages", std::move(page)},
                {"more", next < list.size()},
                {"findings", report::to_json(opened.package_findings)}};
}

Result<Json> plan_repairs(OpenedRoot& opened, const Json& arguments, Peer&) {
    // In an overlay a journal is replayed before anything is read, or the plan would be made from a
    // state that is gone when it is applied.
    auto choice = system_choice(arguments, opened.writable);
    SLIPWAY_CHECK(opened.need_inventory(choice));
    if (opened.writable && report::tell_damage(opened.inventory->findings)) {
        SLIPWAY_CHECK(opened.check_filesystems());
        SLIPWAY_CHECK(opened.need_inventory(choice));
    }
    examine(opened, arguments);
    opened.policy = report::policy_from_json(json_at(arguments, "policy"));
    if (is_foreign(opened.inventory->os))
        opened.policy.may_run_guest_programs = false;
    opened.plan = repair::plan_all(*opened.inventory, opened.policy);
    return Json{{"plan", report::to_json(*opened.plan)},
                {"text", report::render_text(*opened.plan)},
                {"needed", opened.plan->actions.size()},
                {"further_findings", report::to_json(further_findings(*opened.inventory))},
                {"inventory", report::to_json(*opened.inventory)}};
}

Result<Json> apply_plan(OpenedRoot& opened, const Json& arguments, Peer& peer) {
    if (!opened.plan)
        return fail(Code::InvalidArgument, "'apply' before 'plan'");
    auto inventory = opened.inventory; // what the plan was made from; a new mount forgets it
    SLIPWAY_CHECK(opened.need_root(system_choice(arguments, true)));
    opened.inventory = std::move(inventory);
    enter::Root* chroot = nullptr;
    for (const auto& action : opened.plan->actions)
        if (action.kind == report::ActionKind::RunTool && chroot == nullptr) {
            SLIPWAY_TRY(chroot, opened.need_chroot());
        }
    // Between actions and while a tool runs, the client may ask us to stop.
    opened.host.cancel = Cancel([&peer] { return peer.cancelled(); });
    auto context = context_of(opened, chroot);
    SLIPWAY_TRY(auto outcomes, carry_out(opened.plan->actions, context, peer));
    if (std::any_of(outcomes.begin(), outcomes.end(), ran_a_tool)) {
        SLIPWAY_CHECK(opened.look_again());
        examine(opened, arguments);
        SLIPWAY_TRY(auto more, carry_out(actions_after_tools(opened), context, peer));
        outcomes.insert(outcomes.end(), more.begin(), more.end());
    }
    auto json = Json::array();
    for (const auto& outcome : outcomes)
        json.push_back(report::to_json(outcome));
    return Json{{"outcomes", json},
                {"notes", chroot == nullptr ? std::vector<std::string>{} : chroot->notes()}};
}

Result<Json> verify_root(OpenedRoot& opened, const Json& arguments, Peer&) {
    if (!opened.tree || !opened.inventory)
        return fail(Code::InvalidArgument, "'verify' before anything was opened");
    auto before = *opened.inventory;
    auto findings = repair::verify_all(opened.tree->root(), before);
    for (auto& finding : full_filesystems(*opened.tree))
        findings.push_back(std::move(finding));
    SLIPWAY_CHECK(opened.look_again());
    examine(opened, arguments);
    for (auto& finding : repair::judge_kernels(*opened.inventory))
        findings.push_back(std::move(finding));
    for (auto& finding : further_findings(*opened.inventory))
        findings.push_back(std::move(finding));
    return Json{{"findings", report::to_json(findings)},
                {"inventory", report::to_json(*opened.inventory)}};
}

} // namespace slipway::work
