// SPDX-License-Identifier: Apache-2.0
// plan_fix and apply_fix: what is applied is what was shown.
#include <filesystem>
#include <map>
#include <mutex>

#include <sys/stat.h>

#include <fmt/format.h>

#include "archive/digest.hpp"
#include "base/strings.hpp"
#include "mcp/image_arguments.hpp"
#include "mcp/tools.hpp"
#include "ops/fix.hpp"

namespace slipway::mcp {
namespace {

struct PlanArguments : MachineArguments {
    std::string fstab_mode = "stabilize-all";
    bool regen_initramfs = false;
    bool update_grub = false;
    unsigned tool_timeout_seconds = 1800;
    static Shape<PlanArguments> shape() {
        using A = PlanArguments;
        return Shape<A>()
            .with(MachineArguments::shape())
            .add("fstab_mode", &A::fstab_mode, "Which names in /etc/fstab to make stable",
                 {.choices = {"stabilize-all", "bypath-only", "noop"}})
            .add("regen_initramfs", &A::regen_initramfs,
                 "Run the guest's initramfs generator instead of appending virtio modules")
            .add("update_grub", &A::update_grub, "Run the guest's own grub-mkconfig")
            .add("tool_timeout_seconds", &A::tool_timeout_seconds,
                 "After which a program of the guest is killed", {.least = 1, .most = 86400});
    }
    [[nodiscard]] report::Policy policy() const {
        report::Policy policy{.regen_initramfs = regen_initramfs,
                              .update_grub = update_grub,
                              .tool_timeout = std::chrono::seconds(tool_timeout_seconds)};
        for (auto mode : {report::FstabMode::StabilizeAll, report::FstabMode::BypathOnly,
                          report::FstabMode::Noop})
            if (report::name_of(mode) == fstab_mode)
                policy.fstab_mode = mode;
        return policy;
    }
};

/// What a plan was made of.
struct Plan {
    PlanArguments arguments;
    std::string path;     ///< of the image, without links
    Json files;           ///< identity of image and disks
    std::string contents; ///< digest of what was found and planned
};

Json identity_of(const std::string& path) {
    struct stat info {};
    if (::stat(path.c_str(), &info) != 0)
        return nullptr;
    return {{"device", info.st_dev},         {"inode", info.st_ino},
            {"node", info.st_rdev},          {"size", info.st_size},
            {"second", info.st_mtim.tv_sec}, {"nanosecond", info.st_mtim.tv_nsec}};
}

Json identities_of(const PlanArguments& arguments) {
    auto files = Json::array({identity_of(arguments.image)});
    for (const auto& disk : arguments.disks)
        files.push_back(identity_of(disk));
    return files;
}

std::string resolved(const std::string& path) {
    std::error_code failed;
    auto real = std::filesystem::canonical(path, failed);
    return failed ? path : real.string();
}

Result<std::string> digest_of(const Json& json) {
    SLIPWAY_TRY(auto digest, archive::open_digest("sha256"));
    digest->add(render_json(json));
    return digest->finish();
}

Result<std::string> contents_of(const report::Report& report) {
    return digest_of(Json::array({report.inventory, report.plan}));
}

/// The plans of this server, by their ids.
class Plans {
public:
    Result<std::string> add(Plan plan) {
        constexpr std::size_t digits = 16;
        SLIPWAY_TRY(auto digest,
                    digest_of({{"path", plan.path},
                               {"files", plan.files},
                               {"arguments", PlanArguments::shape().write(plan.arguments)},
                               {"contents", plan.contents}}));
        auto id = "plan-" + digest.substr(0, digits);
        std::lock_guard lock(mutex_);
        plans_.insert_or_assign(id, std::move(plan));
        return id;
    }
    Result<Plan> find(const std::string& id) const {
        std::lock_guard lock(mutex_);
        auto found = plans_.find(id);
        if (found == plans_.end())
            return fail(Code::NotFound, fmt::format("there is no plan '{}'", printable(id)),
                        "make one with plan_fix, and look at it; plans end with the server");
        return found->second;
    }

private:
    mutable std::mutex mutex_;
    std::map<std::string, Plan> plans_;
};

Error changed(const std::string& image) {
    return Error{.code = Code::Busy,
                 .what = fmt::format("{} has changed since the plan was made", image)}
        .advise("make a new plan with plan_fix, and look at it");
}

struct ActionRecord {
    std::string text;
    std::vector<std::string> changes{};
    static Shape<ActionRecord> shape() {
        using R = ActionRecord;
        return Shape<R>()
            .add("text", &R::text, "What is done to what, and why")
            .add("changes", &R::changes, "Lines of a file: name: old -> new");
    }
};

std::vector<ActionRecord> actions_of(const Json& actions) {
    std::vector<ActionRecord> records;
    for (const auto& action : actions) {
        ActionRecord record{.text = json_get<std::string>(action, "text")};
        for (const auto& change : json_at(action, "changes"))
            record.changes.push_back(fmt::format(
                "{}: {} -> {}", json_get<std::string>(change, "what"),
                json_get<std::string>(change, "old"), json_get<std::string>(change, "new")));
        records.push_back(std::move(record));
    }
    return records;
}

struct PlanRecord {
    std::string plan_id;
    std::vector<ActionRecord> actions{};
    std::vector<FindingRecord> findings{};
    std::string engine;
    static Shape<PlanRecord> shape() {
        using R = PlanRecord;
        return Shape<R>()
            .add("plan_id", &R::plan_id, "For apply_fix, as long as the image stays as it is")
            .add("actions", &R::actions, "What would be done, in order; none: nothing to do")
            .add("findings", &R::findings, "What the plan will not or cannot mend")
            .add("engine", &R::engine, "host or sandbox");
    }
};

std::string text_of(const std::vector<ActionRecord>& actions,
                    const std::vector<FindingRecord>& findings) {
    std::string text;
    for (const auto& action : actions) {
        text += "- " + action.text + "\n";
        for (const auto& change : action.changes)
            text += "    " + change + "\n";
    }
    if (!findings.empty())
        text += "What remains:\n";
    for (const auto& finding : findings)
        text += fmt::format("- {}: {}{}{}\n", finding.severity, finding.where,
                            finding.where.empty() ? "" : ": ", finding.text);
    return printable(text);
}

// The report is kept whether the work went well or not.
Status keep_report(Job& job, report::Report& report, Status status) {
    if (!status)
        report.error = status.error();
    job.add("report", render_json_pretty(report::to_json(report)) + "\n");
    return status;
}

Result<Told<PlanRecord>> plan(Plans& plans, Job& job, const PlanArguments& arguments) {
    SLIPWAY_TRY(auto context, job.context());
    // Before the look: what changes meanwhile is not in the plan.
    Plan made{.arguments = arguments,
              .path = resolved(arguments.image),
              .files = identities_of(arguments)};
    ops::FixRequest request{.dry_run = true, .replay = true, .policy = arguments.policy()};
    SLIPWAY_TRY(request.image, arguments.options(context.host.cancel));
    auto report = ops::begin_report("fix", {"slipway", "mcp"});
    SLIPWAY_CHECK(keep_report(job, report, ops::fix(context, request, report)));
    SLIPWAY_TRY(made.contents, contents_of(report));
    PlanRecord record{.actions = actions_of(report.plan),
                      .findings = records_of(report.findings),
                      .engine = report.engine};
    SLIPWAY_TRY(record.plan_id, plans.add(std::move(made)));
    auto text =
        fmt::format("{}: {} for {}\n", record.plan_id,
                    record.actions.empty() ? "nothing to change" : "the plan", arguments.image) +
        text_of(record.actions, record.findings);
    return Told<PlanRecord>{std::move(text), std::move(record)};
}

struct ApplyArguments : Waiting {
    std::string image;
    std::string plan_id;
    static Shape<ApplyArguments> shape() {
        using A = ApplyArguments;
        return Shape<A>()
            .add("image", &A::image, "Path of the image that the plan is for",
                 {.required = true, .is_path = true})
            .add("plan_id", &A::plan_id, "Of plan_fix", {.required = true})
            .with(Waiting::shape());
    }
};

struct OutcomeRecord {
    std::string state;
    std::string text;
    std::string detail;
    static Shape<OutcomeRecord> shape() {
        using R = OutcomeRecord;
        return Shape<R>()
            .add("state", &R::state, "What became of it",
                 {.choices = {"done", "skipped", "failed"}})
            .add("text", &R::text, "The action")
            .add("detail", &R::detail, "Why it was skipped, or how it failed; may be empty");
    }
};

struct FixRecord {
    bool bootable = false;
    std::string way;
    std::vector<OutcomeRecord> outcomes{};
    std::vector<FindingRecord> findings{};
    static Shape<FixRecord> shape() {
        using R = FixRecord;
        return Shape<R>()
            .add("bootable", &R::bootable, "Nothing remains that keeps the guest from booting")
            .add("way", &R::way,
                 "How the image was changed: clone, journal, rewrite, nothing to do")
            .add("outcomes", &R::outcomes, "What became of each action of the plan")
            .add("findings", &R::findings, "What remains, the worst first");
    }
};

Told<FixRecord> tell(const report::Report& report) {
    Told<FixRecord> told;
    auto& record = told.record;
    record.bootable = report::is_bootable(report);
    record.way = json_get<std::string>(report.destination, "way");
    record.findings = records_of(report.findings);
    for (const auto& outcome : report.outcomes)
        record.outcomes.push_back({json_get<std::string>(outcome, "state"),
                                   json_get<std::string>(outcome, "text"),
                                   json_get<std::string>(outcome, "detail")});
    told.text = fmt::format("{}: {}\n{}", record.way,
                            record.bootable ? "nothing remains that keeps the guest from booting"
                                            : "something remains that keeps the guest from booting",
                            report::render_text(report));
    return told;
}

Result<Told<FixRecord>> apply(const Plans& plans, Job& job, const ApplyArguments& arguments) {
    SLIPWAY_TRY(auto plan, plans.find(arguments.plan_id));
    if (resolved(arguments.image) != plan.path)
        return fail(Code::InvalidArgument,
                    fmt::format("{} is the plan of {}, not of {}", arguments.plan_id, plan.path,
                                arguments.image),
                    "make a plan of this image with plan_fix");
    auto still_the_same = [&]() -> Status {
        if (identities_of(plan.arguments) != plan.files)
            return fail(changed(arguments.image));
        return {};
    };
    SLIPWAY_CHECK(still_the_same());
    SLIPWAY_TRY(auto context, job.context());
    ops::FixRequest request{.policy = plan.arguments.policy()};
    SLIPWAY_TRY(request.image, plan.arguments.options(context.host.cancel));
    // Once more with the image open and locked, and with the plan that would be carried out.
    request.approve = [&](const report::Report& planned) -> Status {
        SLIPWAY_CHECK(still_the_same());
        SLIPWAY_TRY(auto contents, contents_of(planned));
        if (contents != plan.contents)
            return fail(changed(arguments.image));
        return {};
    };
    auto report = ops::begin_report("fix", {"slipway", "mcp"});
    SLIPWAY_CHECK(keep_report(job, report, ops::fix(context, request, report)));
    return tell(report);
}

} // namespace

void add_fix_tools(Tools& tools) {
    auto plans = std::make_shared<Plans>();
    tools.push_back(job_tool<PlanArguments, PlanRecord>(
        {"plan_fix", "Plan a repair",
         "Says what would be changed in an image so that it boots on virtio hardware. Changes "
         "nothing; apply_fix takes the plan_id."},
        [plans](Job& job, const PlanArguments& arguments) {
            return plan(*plans, job, arguments);
        }));
    tools.push_back(job_tool<ApplyArguments, FixRecord>(
        {"apply_fix", "Repair an image",
         "Carries out the plan of plan_fix, in place: after a crash at any moment the image is as "
         "before or as after. Refused when the image has changed since the plan was made.",
         Effect::Changes},
        [plans](Job& job, const ApplyArguments& arguments) {
            return apply(*plans, job, arguments);
        }));
}

} // namespace slipway::mcp
