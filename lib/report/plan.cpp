// SPDX-License-Identifier: Apache-2.0
#include "report/plan.hpp"

#include <fmt/format.h>

#include "base/strings.hpp"

namespace slipway::report {

std::string_view name_of(FstabMode mode) {
    switch (mode) {
    case FstabMode::StabilizeAll:
        return "stabilize-all";
    case FstabMode::BypathOnly:
        return "bypath-only";
    case FstabMode::Noop:
        return "noop";
    }
    return "noop";
}

Json to_json(const Policy& policy) {
    return {{"fstab_mode", name_of(policy.fstab_mode)},
            {"regen_initramfs", policy.regen_initramfs},
            {"update_grub", policy.update_grub},
            {"may_run_guest_programs", policy.may_run_guest_programs},
            {"tool_timeout", policy.tool_timeout.count()}};
}

Policy policy_from_json(const Json& json) {
    Policy policy{.regen_initramfs = json_get<bool>(json, "regen_initramfs"),
                  .update_grub = json_get<bool>(json, "update_grub"),
                  .may_run_guest_programs = json_get<bool>(json, "may_run_guest_programs", true),
                  .tool_timeout = std::chrono::seconds(
                      json_get<std::int64_t>(json, "tool_timeout", Policy{}.tool_timeout.count()))};
    auto mode = json_get<std::string>(json, "fstab_mode");
    for (auto known : {FstabMode::StabilizeAll, FstabMode::BypathOnly, FstabMode::Noop})
        if (name_of(known) == mode)
            policy.fstab_mode = known;
    return policy;
}

std::string_view name_of(ActionKind kind) {
    switch (kind) {
    case ActionKind::WriteFile:
        return "write-file";
    case ActionKind::RemoveFile:
        return "remove-file";
    case ActionKind::AppendInitramfs:
        return "append-initramfs";
    case ActionKind::RunTool:
        return "run-tool";
    }
    return "";
}

std::string_view name_of(OutcomeState state) {
    switch (state) {
    case OutcomeState::Done:
        return "done";
    case OutcomeState::Skipped:
        return "skipped";
    case OutcomeState::Failed:
        return "failed";
    }
    return "";
}

namespace {

std::vector<std::string> names_of_parts(const Action& action) {
    auto names = action.modules;
    for (const auto& [path, text] : action.files)
        names.push_back(path);
    return names;
}

} // namespace

Json to_json(const Action& action) {
    Json json{
        {"repair", action.repair}, {"kind", name_of(action.kind)}, {"text", render_text(action)}};
    if (!action.path.empty())
        json["path"] = action.path;
    if (!action.reason.empty())
        json["reason"] = action.reason;
    if (!action.changes.empty()) {
        auto& changes = json["changes"] = Json::array();
        for (const auto& change : action.changes)
            changes.push_back({{"line_no", change.line_no},
                               {"what", change.what},
                               {"old", change.old_text},
                               {"new", change.new_text},
                               {"reason", change.reason}});
    }
    if (!action.argv.empty())
        json["cmd"] = action.argv;
    if (action.kind == ActionKind::RunTool && action.estimate > 0)
        json["estimate"] = action.estimate;
    if (!action.kernel.empty())
        json["kernel"] = action.kernel;
    if (!action.modules.empty())
        json["modules"] = action.modules;
    for (const auto& [path, text] : action.files)
        json["files"].push_back(path);
    return json;
}

std::string render_text(const Action& action) {
    std::string what;
    switch (action.kind) {
    case ActionKind::WriteFile:
        what = action.changes.empty()
                   ? fmt::format("write {}", action.path)
                   : fmt::format("change {} ({} line{})", action.path, action.changes.size(),
                                 action.changes.size() == 1 ? "" : "s");
        break;
    case ActionKind::RemoveFile:
        what = fmt::format("remove {}", action.path);
        break;
    case ActionKind::AppendInitramfs:
        what = fmt::format("append {} to {} (kernel {})", join(names_of_parts(action), ", "),
                           action.path, action.kernel);
        break;
    case ActionKind::RunTool:
        what = fmt::format("run {}", join(action.argv, " "));
        break;
    }
    auto text = fmt::format("{}: {}", action.repair, what);
    if (!action.reason.empty())
        text += fmt::format(": {}", action.reason);
    return printable(text);
}

Json to_json(const Outcome& outcome) {
    auto json = to_json(outcome.action);
    json["state"] = name_of(outcome.state);
    json["seconds"] = outcome.seconds;
    if (!outcome.detail.empty())
        json["detail"] = outcome.detail;
    if (outcome.action.kind == ActionKind::RunTool) {
        json["timings"] = {{"mount", outcome.timings.mount},
                           {"run", outcome.timings.run},
                           {"unmount", outcome.timings.unmount}};
        json["out"] = outcome.output;
    }
    return json;
}

Json to_json(const Plan& plan) {
    auto actions = Json::array();
    for (const auto& action : plan.actions)
        actions.push_back(to_json(action));
    return {{"actions", actions}, {"findings", to_json(plan.findings)}};
}

std::string render_text(const Plan& plan) {
    std::string text;
    for (const auto& action : plan.actions) {
        text += fmt::format("  {}\n", render_text(action));
        for (const auto& change : action.changes)
            text += printable(fmt::format("      line {}: {} -> {}\n", change.line_no,
                                          change.old_text, change.new_text));
    }
    for (const auto& finding : plan.findings)
        text += fmt::format("  {}\n", render_text(finding));
    return text;
}

} // namespace slipway::report
