// SPDX-License-Identifier: Apache-2.0
// fstests_baseline_save, _list, _show, _compare.
#include <fmt/format.h>

#include "base/strings.hpp"
#include "mcp/tools.hpp"
#include "ops/fstests.hpp"

namespace slipway::mcp {
namespace {

constexpr const char* about_run =
    "Directory or result.json of a run, as fstests_vm_boot_and_run gives it; empty: the newest";

struct BaselineRecord {
    std::string name;
    std::string saved;
    std::string run;
    std::string kernel_release;
    std::string fstype;
    std::size_t tests = 0;
    std::map<std::string, std::size_t> statuses{};
    static Shape<BaselineRecord> shape() {
        using R = BaselineRecord;
        return Shape<R>()
            .add("name", &R::name, "Its name")
            .add("saved", &R::saved, "When, UTC")
            .add("run", &R::run, "Id of the run it was made from")
            .add("kernel_release", &R::kernel_release, "Of that run")
            .add("fstype", &R::fstype, "Of that run")
            .add("tests", &R::tests, "How many it has")
            .add("statuses", &R::statuses, "How many of each status");
    }
};

BaselineRecord record_of(const fstests::Baseline& baseline) {
    return {.name = baseline.name,
            .saved = baseline.saved,
            .run = baseline.run,
            .kernel_release = baseline.kernel_release,
            .fstype = baseline.fstype,
            .tests = baseline.tests.size(),
            .statuses = fstests::count_statuses(baseline)};
}

struct SaveArguments : Waiting {
    std::string name;
    std::string run{};
    bool replace = false;
    static Shape<SaveArguments> shape() {
        using A = SaveArguments;
        return Shape<A>()
            .add("name", &A::name, "Of the baseline: letters, digits and ._-", {.required = true})
            .add("run", &A::run, about_run, {.is_path = true})
            .add("replace", &A::replace, "Replace one of that name")
            .with(Waiting::shape());
    }
};

Result<Told<BaselineRecord>> save(Job&, const SaveArguments& arguments) {
    SLIPWAY_TRY(auto run, ops::load_run(arguments.run));
    SLIPWAY_TRY(auto baseline, ops::save_baseline(arguments.name, run, arguments.replace));
    return Told<BaselineRecord>{"saved " + fstests::render_line(baseline), record_of(baseline)};
}

struct BaselinesRecord {
    std::vector<BaselineRecord> baselines{};
    static Shape<BaselinesRecord> shape() {
        return Shape<BaselinesRecord>().add("baselines", &BaselinesRecord::baselines, "By name");
    }
};

Result<Told<BaselinesRecord>> list(Job& job, const Waiting&) {
    SLIPWAY_TRY(auto context, job.context());
    SLIPWAY_TRY(auto baselines, ops::list_baselines(context));
    job.add("report", render_json_pretty(ops::to_json(baselines)) + "\n");
    Told<BaselinesRecord> told;
    for (const auto& baseline : baselines) {
        told.record.baselines.push_back(record_of(baseline));
        told.text += fstests::render_line(baseline);
    }
    if (told.text.empty())
        told.text = "no baselines";
    return told;
}

struct ShowArguments : Waiting {
    std::string name;
    static Shape<ShowArguments> shape() {
        return Shape<ShowArguments>()
            .add("name", &ShowArguments::name, "Of the baseline", {.required = true})
            .with(Waiting::shape());
    }
};

struct BadRecord {
    std::string test;
    std::string status;
    std::string reason;
    static Shape<BadRecord> shape() {
        using R = BadRecord;
        return Shape<R>()
            .add("test", &R::test, "Its name")
            .add("status", &R::status, "Such as failed or crashed")
            .add("reason", &R::reason, "Why, one line");
    }
};

struct ShownRecord : BaselineRecord {
    std::vector<BadRecord> bad{};
    static Shape<ShownRecord> shape() {
        return Shape<ShownRecord>()
            .with(BaselineRecord::shape())
            .add("bad", &ShownRecord::bad, "Tests that failed, crashed or took too long");
    }
};

Result<Told<ShownRecord>> show(Job& job, const ShowArguments& arguments) {
    SLIPWAY_TRY(auto baseline, ops::show_baseline(arguments.name));
    job.add("report", render_json_pretty(fstests::to_json(baseline)) + "\n");
    ShownRecord record{record_of(baseline)};
    auto text = fstests::render_line(baseline);
    for (const auto& [name, test] : baseline.tests)
        if (fstests::is_bad(test.status)) {
            record.bad.push_back({name, std::string(fstests::name_of(test.status)), test.reason});
            text +=
                printable(fmt::format("{} {}: {}\n", name, record.bad.back().status, test.reason));
        }
    return Told<ShownRecord>{std::move(text), std::move(record)};
}

struct CompareArguments : Waiting {
    std::string name;
    std::string run{};
    static Shape<CompareArguments> shape() {
        using A = CompareArguments;
        return Shape<A>()
            .add("name", &A::name, "Of the baseline", {.required = true})
            .add("run", &A::run, about_run, {.is_path = true})
            .with(Waiting::shape());
    }
};

struct ChangeRecord {
    std::string test;
    std::string before;
    std::string now;
    std::string reason;
    static Shape<ChangeRecord> shape() {
        using R = ChangeRecord;
        return Shape<R>()
            .add("test", &R::test, "Its name")
            .add("before", &R::before, "Status, flaky, or empty: it was not there")
            .add("now", &R::now, "Likewise")
            .add("reason", &R::reason, "One line; may be empty");
    }
};

struct ComparisonRecord {
    std::string baseline;
    std::string run;
    std::vector<ChangeRecord> regressions{}, fixes{}, new_skips{}, new_tests{}, removed{}, flaky{};
    std::vector<ChangeRecord> others{};
    std::size_t not_selected = 0;
    std::size_t unchanged = 0;
    std::size_t still_bad = 0;
    static Shape<ComparisonRecord> shape() {
        using R = ComparisonRecord;
        return Shape<R>()
            .add("baseline", &R::baseline, "Its name")
            .add("run", &R::run, "Id of the run")
            .add("regressions", &R::regressions, "Bad now, and were not")
            .add("fixes", &R::fixes, "Passed now, and were bad")
            .add("new_skips", &R::new_skips, "Not run now, and were started")
            .add("new_tests", &R::new_tests, "Not in the baseline")
            .add("removed", &R::removed, "In the baseline only")
            .add("flaky", &R::flaky, "Flaky now or then: neither regression nor fix")
            .add("others", &R::others, "Another status that is none of these")
            .add("not_selected", &R::not_selected, "How many were not selected this time")
            .add("unchanged", &R::unchanged, "How many are as before")
            .add("still_bad", &R::still_bad, "How many of these are bad");
    }
};

std::vector<ChangeRecord> records_of(const std::vector<fstests::Change>& changes) {
    std::vector<ChangeRecord> records;
    for (const auto& change : changes)
        records.push_back({change.test, change.before, change.now, change.reason});
    return records;
}

Result<Told<ComparisonRecord>> compare(Job& job, const CompareArguments& arguments) {
    SLIPWAY_TRY(auto run, ops::load_run(arguments.run));
    SLIPWAY_TRY(auto comparison, ops::compare_baseline(arguments.name, run));
    job.add("report", render_json_pretty(fstests::to_json(comparison)) + "\n");
    return Told<ComparisonRecord>{printable(fstests::render_text(comparison)),
                                  {.baseline = comparison.baseline,
                                   .run = comparison.run,
                                   .regressions = records_of(comparison.regressions),
                                   .fixes = records_of(comparison.fixes),
                                   .new_skips = records_of(comparison.new_skips),
                                   .new_tests = records_of(comparison.new_tests),
                                   .removed = records_of(comparison.removed),
                                   .flaky = records_of(comparison.flaky),
                                   .others = records_of(comparison.others),
                                   .not_selected = comparison.not_selected,
                                   .unchanged = comparison.unchanged,
                                   .still_bad = comparison.still_bad}};
}

} // namespace

void add_baseline_tools(Tools& tools) {
    tools.push_back(job_tool<SaveArguments, BaselineRecord>(
        {"fstests_baseline_save", "Keep a baseline", "Keeps the results of a run under a name.",
         Effect::Changes},
        save));
    tools.push_back(job_tool<Waiting, BaselinesRecord>(
        {"fstests_baseline_list", "List baselines", "The baselines that were kept."}, list));
    tools.push_back(job_tool<ShowArguments, ShownRecord>(
        {"fstests_baseline_show", "Show a baseline", "What a baseline holds."}, show));
    tools.push_back(job_tool<CompareArguments, ComparisonRecord>(
        {"fstests_baseline_compare", "Compare with a baseline",
         "What has changed since: regressions, fixes, new skips, new, removed and flaky tests, "
         "other "
         "changes."},
        compare));
}

} // namespace slipway::mcp
