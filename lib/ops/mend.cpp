// SPDX-License-Identifier: Apache-2.0
#include "ops/mend.hpp"

#include <filesystem>

#include <fmt/format.h>

#include "base/strings.hpp"
#include "base/units.hpp"
#include "sys/cache.hpp"

namespace slipway::ops {
namespace {

Status plan(const Context&, OpenImage& opened, const MendOptions& options, report::Report& report) {
    SLIPWAY_TRY(auto answer, opened.call("plan", {{"root", options.root},
                                                  {"policy", report::to_json(options.policy)},
                                                  {"cache_dir", cache_directory()}}));
    report.inventory = json_at(answer, "inventory");
    const auto& plan = json_at(answer, "plan");
    report.plan = json_at(plan, "actions");
    report.findings = report::findings_from_json(json_at(plan, "findings"));
    // Otherwise `verify` tells them, of the root as it was mounted to be written.
    if (options.dry_run)
        add_new(report.findings, report::findings_from_json(json_at(answer, "further_findings")));
    return {};
}

// Guest programs make many system calls, each of which goes through ptrace or an emulated
// processor.
constexpr double sandbox_slowness = 4;

void announce_programs(const Context& context, const OpenImage& opened, const Json& actions) {
    std::vector<std::string> programs;
    double seconds = 0;
    for (const auto& action : actions) {
        auto argv = json_get<std::vector<std::string>>(action, "cmd");
        if (json_get<std::string>(action, "kind") != "run-tool" || argv.empty())
            continue;
        programs.push_back(argv.front());
        seconds += json_get<double>(action, "estimate");
    }
    if (programs.empty())
        return;
    bool slow = opened.engine == "sandbox";
    context.host.log.info("running programs of the guest: {}; about {}{}", join(programs, ", "),
                          format_seconds(seconds * (slow ? sandbox_slowness : 1)),
                          slow ? ", because they are slow in the sandbox" : "");
}

Status apply(const Context& context, OpenImage& opened, const MendOptions& options,
             report::Report& report) {
    announce_programs(context, opened, report.plan);
    SLIPWAY_TRY(auto answer,
                opened.call("apply", {{"root", options.root}, {"cache_dir", cache_directory()}}));
    report.outcomes = json_at(answer, "outcomes");
    report.notes = json_get<std::vector<std::string>>(answer, "notes");
    return {};
}

report::Findings failures_of(const Json& outcomes) {
    report::Findings findings;
    for (const auto& outcome : outcomes)
        if (json_get<std::string>(outcome, "state") == "failed")
            findings.push_back(
                {.id = "repair-failed",
                 .severity = report::Severity::Warning,
                 .where = json_get<std::string>(outcome, "path"),
                 .text = fmt::format("{}: {}", json_get<std::string>(outcome, "text"),
                                     json_get<std::string>(outcome, "detail"))});
    return findings;
}

Status verify(const Context&, OpenImage& opened, const MendOptions&, report::Report& report) {
    SLIPWAY_TRY(auto answer, opened.call("verify", {{"cache_dir", cache_directory()}}));
    report.inventory_after = json_at(answer, "inventory");
    // Planning and verifying both tell what the plan leaves alone.
    add_new(report.findings, failures_of(report.outcomes));
    add_new(report.findings, report::findings_from_json(json_at(answer, "findings")));
    for (const auto& finding : report.findings)
        if (finding.id == "host-device-in-boot-file")
            return fail(Code::Corrupt, fmt::format("{}: {}", finding.where, finding.text),
                        "nothing was written; if the guest's file had that name before, remove it "
                        "there, else one of its tools or Slipway wrote it: please report that");
    return {};
}

} // namespace

std::string cache_directory() {
    auto base = sys::cache_directory();
    if (!base)
        return {};
    auto directory = *base + "/initramfs";
    std::error_code failed;
    std::filesystem::create_directories(directory, failed);
    return failed ? std::string{} : directory;
}

Status mend(const Context& context, OpenImage& opened, const MendOptions& options,
            report::Report& report) {
    report.engine = opened.engine;
    report.engine_reason = opened.engine_reason;
    SLIPWAY_CHECK(
        timed(context, report, "plan", [&] { return plan(context, opened, options, report); }));
    if (options.approve)
        SLIPWAY_CHECK(options.approve(report));
    if (!options.dry_run) {
        SLIPWAY_CHECK(timed(context, report, "apply",
                            [&] { return apply(context, opened, options, report); }));
        SLIPWAY_CHECK(timed(context, report, "verify",
                            [&] { return verify(context, opened, options, report); }));
    }
    return timed(context, report, "close", [&] { return opened.close(); });
}

} // namespace slipway::ops
