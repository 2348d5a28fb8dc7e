// SPDX-License-Identifier: Apache-2.0
#include "ops/fstests.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "base/strings.hpp"
#include "fstests/needs.hpp"
#include "fstests/sections.hpp"
#include "ops/boot_root.hpp"
#include "ops/fstests_run.hpp"
#include "ops/fstests_store.hpp"
#include "ops/fstests_suite.hpp"
#include "ops/rootfs.hpp"
#include "rootfs/profile.hpp"

namespace slipway::ops {
namespace {

constexpr std::size_t largest_config = 1 << 20;

Result<fstests::Selection> read_selection(const FstestsRequest& request, fstests::Run& run) {
    SLIPWAY_TRY(auto selection, fstests::parse_selection(request.tests));
    auto files = request.exclude_files;
    files.insert(files.end(), selection.expunge_files.begin(), selection.expunge_files.end());
    for (const auto& file : files) {
        SLIPWAY_TRY(auto text, sys::read_file(file, largest_config));
        auto tests = fstests::parse_expunged(text);
        if (tests.empty())
            run.notes.push_back(fmt::format("{} names no tests, so it excludes none", file));
        for (auto& test : tests)
            selection.expunged.push_back(std::move(test));
    }
    return selection;
}

Result<fstests::Config> read_config(const FstestsRequest& request) {
    if (request.sections_file.empty()) {
        if (!request.sections.empty())
            return fail(Code::InvalidArgument, "a section was named, but no file that has it",
                        "give it with --sections FILE");
        return fstests::Config{.sections = {{}}};
    }
    SLIPWAY_TRY(auto text, sys::read_file(request.sections_file, largest_config));
    auto config = fstests::parse_config(text, request.sections);
    if (!config)
        return fail(std::move(config).error().in(fmt::format("reading {}", request.sections_file)));
    return config;
}

// The sections with their tests; types of file systems in the order of the sections.
Result<std::vector<SectionPlan>> make_plans(const FstestsRequest& request,
                                            const std::string& suite_directory, fstests::Run& run) {
    SLIPWAY_TRY(auto suite, read_suite(suite_directory));
    SLIPWAY_TRY(auto selection, read_selection(request, run));
    SLIPWAY_TRY(auto config, read_config(request));
    for (const auto& setting : config.dropped)
        run.notes.push_back(
            fmt::format("{} of {} is not used: the machines have disks of their own", setting,
                        request.sections_file));
    std::vector<SectionPlan> plans;
    std::vector<std::string> types;
    std::size_t tests = 0;
    for (auto& section : config.sections) {
        SectionPlan plan{.section = complete(request, std::move(section))};
        auto fstype = plan.section.get("FSTYP");
        SLIPWAY_CHECK(check_devices(request, fstype));
        SLIPWAY_TRY(auto selected, fstests::select(suite, selection, fstype));
        plan.tests = std::move(selected.tests);
        plan.expunged = std::move(selected.expunged);
        plan.durations = known_durations({suite_directory, fstype});
        tests += plan.tests.size();
        if (std::find(types.begin(), types.end(), fstype) == types.end())
            types.push_back(fstype);
        plans.push_back(std::move(plan));
    }
    if (tests == 0)
        return fail(Code::InvalidArgument, "no test is left to be run: all are excluded");
    run.fstype = join(types, ",");
    return plans;
}

std::string describe_selection(const FstestsRequest& request) {
    auto words = request.tests;
    for (const auto& file : request.exclude_files)
        words.insert(words.end(), {"-E", file});
    for (const auto& section : request.sections)
        words.insert(words.end(), {"-s", section});
    return join(words, " ");
}

// Of tests that passed, by the type of their file system.
Status keep_new_durations(const std::string& suite, const std::vector<SectionPlan>& plans,
                          const fstests::Run& run) {
    for (const auto& plan : plans) {
        fstests::Durations durations;
        for (const auto& test : run.tests)
            if (const auto& worst = test.worst(); test.section == plan.section.name &&
                                                  worst.status == fstests::TestStatus::Passed &&
                                                  worst.seconds)
                durations[test.name] = *worst.seconds;
        SLIPWAY_CHECK(keep_durations({suite, plan.section.get("FSTYP")}, durations));
    }
    return {};
}

// The root anew, with its profile, its release and the packages that tests missed. The results
// stand whatever becomes of it.
void install_missing(const Context& context, const FstestsRequest& request, fstests::Run& run) {
    auto packages = fstests::packages_of(run.needs);
    if (packages.empty()) {
        run.notes.emplace_back("no test missed a package, so the root stays as it is");
        return;
    }
    auto note = [&run](const Error& error) {
        run.notes.push_back(
            fmt::format("the root {} could not be made anew: {}", run.root, render_line(error)));
    };
    auto checked = check_rootfs(context, {.root = run.root});
    if (!checked)
        return note(checked.error());
    if (!rootfs::shipped_profile(checked->root.profile)) {
        run.notes.push_back(fmt::format("the root {} has a profile of your own: add {} to it",
                                        run.root, join(packages, ", ")));
        return;
    }
    bool is_path = run.root.find('/') != std::string::npos;
    auto added = checked->root.added_packages;
    added.insert(added.end(), packages.begin(), packages.end());
    auto made = create_rootfs(context, {.name = is_path ? "" : run.root,
                                        .profile = checked->root.profile,
                                        .release = checked->root.suite,
                                        .path = is_path ? run.root : "",
                                        .mirror = request.mirror,
                                        .keyring = request.keyring,
                                        .packages = added,
                                        .force = true});
    if (!made)
        return note(made.error());
    run.notes.push_back(fmt::format("the root {} was made anew with {}: run the tests again",
                                    run.root, join(packages, ", ")));
}

// Each machine has a supervisor of its own, and so may be started in a thread of its own.
Result<BootKernelResult> boot_apart(const sys::Host& host, const BootKernelRequest& request,
                                    const session::CallHooks& hooks) {
    SLIPWAY_TRY(auto runner, session::SupervisedRunner::launch());
    Context context{.host = host, .runner = runner.get()};
    context.host.runner = runner.get();
    return boot_kernel(context, request, hooks);
}

} // namespace

Result<fstests::Run> run_fstests_in(const BootMachine& boot, const sys::Host& host,
                                    const FstestsRequest& given) {
    auto request = given;
    fstests::Run run{.started = utc_now(), .kernel = request.kernel, .root = request.root};
    if (request.shards == 0 || request.repeat == 0)
        return fail(Code::InvalidArgument, "one shard and one turn are the least");
    SLIPWAY_TRY(request.fstests, find_suite(request.fstests));
    SLIPWAY_CHECK(check_built(request.fstests));
    run.fstests = request.fstests;
    run.selection = describe_selection(request);
    SLIPWAY_TRY(auto plans, make_plans(request, request.fstests, run));
    if (!request.baseline.empty())
        SLIPWAY_CHECK(check_comparable(request.baseline, run.fstype));
    SLIPWAY_CHECK(check_boot_root(request.root));
    SLIPWAY_TRY(run.directory, make_run_directory(request.directory));
    run.id = basename_of(run.directory);
    SLIPWAY_CHECK(keep_begun(run));
    auto began = Clock::now();
    auto ran = run_shards(boot, host, request, plans, run);
    run.seconds = seconds_since(began);
    run.needs = fstests::needs_of(run.tests);
    if (!ran) {
        auto error = std::move(ran).error();
        run.error = error;
        if (auto kept = keep_run(run))
            error.context.push_back(
                fmt::format("running fstests; its files are in {}", run.directory));
        return fail(std::move(error));
    }
    SLIPWAY_CHECK(keep_run(run));
    if (auto kept = keep_new_durations(request.fstests, plans, run); !kept)
        host.log.warning("{}", render_line(kept.error()));
    return run;
}

Result<fstests::Run> run_fstests(const Context& context, const FstestsRequest& request) {
    SLIPWAY_TRY(auto run, run_fstests_in(boot_apart, context.host, request));
    if (request.install_missing && !run.error) {
        install_missing(context, request, run);
        SLIPWAY_CHECK(keep_run(run));
    }
    return run;
}

int exit_code_of(const fstests::Run& run) {
    if (run.error)
        return exit_code_of(run.error->code);
    auto wrong = std::any_of(run.tests.begin(), run.tests.end(),
                             [](const auto& test) { return fstests::is_bad(test.worst().status); });
    return wrong ? 1 : 0;
}

} // namespace slipway::ops
