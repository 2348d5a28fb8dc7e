// SPDX-License-Identifier: Apache-2.0
#include "report/report.hpp"

#include <fmt/format.h>

#include "base/strings.hpp"
#include "base/units.hpp"

namespace slipway::report {
namespace {

constexpr auto regen_step = "regen_initramfs_and_bootloader";

bool is_bootloader(const Json& outcome) {
    return json_get<std::string>(outcome, "kind") == "run-tool" &&
           json_get<std::string>(outcome, "repair").starts_with("grub");
}

bool is_regeneration(const Json& outcome) {
    auto kind = json_get<std::string>(outcome, "kind");
    return kind == "run-tool" || kind == "append-initramfs";
}

Json fstab_changes(const Report& report) {
    auto changes = Json::array();
    for (const auto& outcome : report.dry_run ? report.plan : report.outcomes)
        if (json_get<std::string>(outcome, "repair") == "fstab")
            for (const auto& change : json_at(outcome, "changes"))
                changes.push_back({{"line_no", json_at(change, "line_no")},
                                   {"mountpoint", json_at(change, "what")},
                                   {"old", json_at(change, "old")},
                                   {"new", json_at(change, "new")},
                                   {"reason", json_at(change, "reason")}});
    return changes;
}

Json bootloader(const Report& report) {
    auto attempts = Json::array();
    bool all_ran = true;
    for (const auto& outcome : report.outcomes)
        if (is_bootloader(outcome)) {
            bool ok = json_get<std::string>(outcome, "state") == "done";
            all_ran = all_ran && ok;
            attempts.push_back({{"cmd", json_at(outcome, "cmd")},
                                {"ok", ok},
                                {"out", json_at(outcome, "out")},
                                {"timings", json_at(outcome, "timings")}});
        }
    bool verified = !report.dry_run && !report.error && !report.inventory_after.is_null();
    return {{"attempts", attempts}, {"success", verified && all_ran && is_bootable(report)}};
}

Json regeneration(const Report& report) {
    auto done = Json::array();
    for (const auto& outcome : report.outcomes)
        if (is_regeneration(outcome) && !is_bootloader(outcome))
            done.push_back({{"kernel", json_at(outcome, "kernel")},
                            {"kind", json_at(outcome, "kind")},
                            {"state", json_at(outcome, "state")},
                            {"path", json_at(outcome, "path")},
                            {"seconds", json_at(outcome, "seconds")}});
    return {{"initramfs", done}, {"kernels", json_at(report.inventory_after, "kernels")}};
}

Json timings(const Report& report) {
    Json json = Json::object();
    double regeneration_seconds = 0;
    for (const auto& outcome : report.outcomes)
        if (is_regeneration(outcome))
            regeneration_seconds += json_get<double>(outcome, "seconds");
    for (const auto& [step, seconds] : report.timings)
        json[step] = seconds;
    json[regen_step] = regeneration_seconds;
    return json;
}

Json analysis(const Report& report) {
    const auto& inventory = report.inventory;
    return {{"guest",
             {{"os", json_at(inventory, "os")},
              {"firmware", json_at(inventory, "firmware")},
              {"boot_loader", json_at(inventory, "boot_loader")},
              {"kernels", json_at(inventory, "kernels")}}},
            {"mount",
             {{"root", json_at(inventory, "root")},
              {"mountpoints", json_at(inventory, "mountpoints")}}},
            {"storage_stack",
             {{"disks", json_at(inventory, "disks")}, {"volumes", json_at(inventory, "volumes")}}},
            {"fstab_audit", json_at(inventory, "fstab")},
            {"fstab_changes", fstab_changes(report)},
            {"regen", regeneration(report)},
            {"timings", timings(report)}};
}

} // namespace

bool is_bootable(const Report& report) {
    return worst_of(report.findings) != Severity::Blocker;
}

Json to_json(const Report& report) {
    Json json{{"schema", "slipway.report.v1"}};
    json["run"] = {{"command", report.command}, {"argv", report.argv},
                   {"started", report.started}, {"dry_run", report.dry_run},
                   {"engine", report.engine},   {"engine_reason", report.engine_reason},
                   {"notes", report.notes}};
    json["host"] = report.host;
    json["tools"] = report.tools;
    json["source"] = report.source;
    json["destination"] = report.destination;
    json["changes"] = report.dry_run ? report.plan : report.outcomes;
    json["analysis"] = analysis(report);
    json["bootloader"] = bootloader(report);
    json["validation"] = {{"bootable", !report.error && is_bootable(report)},
                          {"findings", to_json(report.findings)},
                          {"proof", report.proof}};
    json["findings"] = to_json(report.findings);
    json["error"] = report.error ? error_to_json(*report.error) : Json();
    json["summary"] = report.summary;
    return json;
}

std::string render_text(const Report& report) {
    std::string text;
    if (!report.dry_run && !report.outcomes.empty())
        text += "Changes:\n";
    for (const auto& outcome : report.outcomes) {
        auto detail = json_get<std::string>(outcome, "detail");
        text += fmt::format("  [{}] {}{}\n", json_get<std::string>(outcome, "state"),
                            json_get<std::string>(outcome, "text"),
                            detail.empty() ? "" : fmt::format(" ({})", detail));
        for (const auto& change : json_at(outcome, "changes"))
            text += fmt::format("      line {}: {} -> {}\n", json_get<int>(change, "line_no"),
                                json_get<std::string>(change, "old"),
                                json_get<std::string>(change, "new"));
    }
    if (!report.findings.empty())
        text += "What remains:\n";
    for (const auto& finding : report.findings)
        text += fmt::format("  {}\n", render_text(finding));
    text += "Time:";
    for (const auto& [step, seconds] : report.timings)
        text += fmt::format("  {} {}", step, format_seconds(seconds));
    return printable(text + "\n");
}

} // namespace slipway::report
