// SPDX-License-Identifier: Apache-2.0
// fstests_vm_boot_and_run, fstests_groups.
#include <fmt/format.h>

#include "base/strings.hpp"
#include "mcp/machine_arguments.hpp"
#include "mcp/program_output.hpp"
#include "mcp/tools.hpp"
#include "ops/fstests.hpp"

namespace slipway::mcp {
namespace {

constexpr const char* default_root = "fstests";

struct FstestsArguments : KernelArguments {
    std::string fstests_path;
    std::vector<std::string> tests{"-g", "quick"};
    std::string fstype = "ext4";
    bool use_custom_rootfs = true;
    std::string custom_rootfs_path{};
    std::vector<std::string> exclude_files{};
    std::string mkfs_options{};
    std::string mount_options{};
    unsigned shards = 1;
    unsigned repeat = 1;
    double timeout_seconds = 1800;
    std::string devices = "file";
    unsigned pool = 0;
    bool logwrites = false;
    bool install_missing = false;
    std::string mirror{};
    std::string keyring{};
    static Shape<FstestsArguments> shape() {
        using A = FstestsArguments;
        return Shape<A>()
            .with(KernelArguments::shape())
            .add("fstests_path", &A::fstests_path, "Directory of a built fstests",
                 {.required = true, .is_path = true})
            .add("tests", &A::tests,
                 "Words as for its check: -g GROUP, -x GROUP, -e TEST, names such as generic/001")
            .add("fstype", &A::fstype, "ext4, xfs, btrfs, overlay, tmpfs, …")
            .add("use_custom_rootfs", &A::use_custom_rootfs,
                 "In a test root; otherwise in this host's own tree")
            .add("custom_rootfs_path", &A::custom_rootfs_path,
                 "Name of the root, or its path (with a slash); empty: fstests", {.is_path = true})
            .add("exclude_files", &A::exclude_files, "Files with names of tests to leave out",
                 {.is_path = true})
            .add("mkfs_options", &A::mkfs_options, "For mkfs")
            .add("mount_options", &A::mount_options, "For mount")
            .add("shards", &A::shards, "Machines at the same time", {.least = 1, .most = 64})
            .add("repeat", &A::repeat, "How often each test runs, to find flaky ones",
                 {.least = 1, .most = 1000})
            .add("timeout_seconds", &A::timeout_seconds, "Of one test; 0: none",
                 {.least = 0, .most = 864000})
            .add("devices", &A::devices, "What the disks are made of",
                 {.choices = {"file", "tmpfs", "null_blk"}})
            .add("pool", &A::pool, "Disks of SCRATCH_DEV_POOL in place of SCRATCH_DEV; 0: none",
                 {.most = ops::most_pool_disks})
            .add("logwrites", &A::logwrites, "A disk LOGWRITES_DEV, too")
            .add("install_missing", &A::install_missing,
                 "Make the root anew with the packages that tests missed")
            .add("mirror", &A::mirror, "For that: URL of the archive; empty: the host's")
            .add("keyring", &A::keyring, "For that: file with the archive's keys",
                 {.is_path = true});
    }
    [[nodiscard]] Result<ops::FstestsRequest> request() const {
        ops::FstestsRequest request{.kernel = kernel_path,
                                    .fstests = fstests_path,
                                    .root = !use_custom_rootfs           ? "host"
                                            : custom_rootfs_path.empty() ? default_root
                                                                         : custom_rootfs_path,
                                    .fstype = fstype,
                                    .mkfs_options = mkfs_options,
                                    .mount_options = mount_options,
                                    .tests = tests,
                                    .exclude_files = exclude_files,
                                    .shards = shards,
                                    .repeat = repeat,
                                    .timeout = milliseconds_of(timeout_seconds),
                                    .pool = pool,
                                    .logwrites = logwrites,
                                    .memory_mib = memory_mib,
                                    .cpus = cpus,
                                    .accelerator = accelerator,
                                    .append = append,
                                    .install_missing = install_missing,
                                    .mirror = mirror,
                                    .keyring = keyring};
        if (!use_custom_rootfs && !custom_rootfs_path.empty())
            return fail(Code::InvalidArgument,
                        "'custom_rootfs_path' is given, and 'use_custom_rootfs' is false",
                        "leave one of them out");
        SLIPWAY_TRY(request.devices, ops::device_kind_named(devices));
        return request;
    }
};

struct TestRecord {
    std::string test;
    std::string status;
    std::string reason;
    std::optional<double> seconds{};
    static Shape<TestRecord> shape() {
        using R = TestRecord;
        return Shape<R>()
            .add("test", &R::test, "Its name")
            .add("status", &R::status, "failed, timed out, crashed")
            .add("reason", &R::reason, "Why, one line")
            .add("seconds", &R::seconds, "That it took");
    }
};

struct NeedRecord {
    std::string name;
    std::string package;
    std::size_t tests = 0;
    static Shape<NeedRecord> shape() {
        using R = NeedRecord;
        return Shape<R>()
            .add("name", &R::name, "Program, user, kernel option or device")
            .add("package", &R::package, "Of Debian, that has it; may be empty")
            .add("tests", &R::tests, "How many tests missed it");
    }
};

struct RunRecord {
    std::string run;
    std::string directory;
    std::string kernel_release;
    std::string machine;
    std::string fstype;
    double seconds = 0;
    std::size_t passed = 0, failed = 0, not_run = 0, expunged = 0;
    std::size_t crashed = 0, timed_out = 0, not_reached = 0, flaky = 0;
    std::vector<TestRecord> bad{};
    std::vector<NeedRecord> needs{};
    std::vector<std::string> notes{};
    std::optional<std::string> ended_early{};
    static Shape<RunRecord> shape() {
        using R = RunRecord;
        return Shape<R>()
            .add("run", &R::run, "Its id")
            .add("directory", &R::directory,
                 "All files of the run; the tools of baselines take it as 'run'")
            .add("kernel_release", &R::kernel_release, "As the machine says")
            .add("machine", &R::machine, "uml or qemu, with the accelerator")
            .add("fstype", &R::fstype, "The file system under test")
            .add("seconds", &R::seconds, "Of the whole run")
            .add("passed", &R::passed, "Tests that passed")
            .add("failed", &R::failed, "Tests that failed")
            .add("not_run", &R::not_run, "Tests that cannot run here")
            .add("expunged", &R::expunged, "Tests that were left out by name")
            .add("crashed", &R::crashed, "Tests under which the kernel or machine ended")
            .add("timed_out", &R::timed_out, "Tests that took too long")
            .add("not_reached", &R::not_reached, "Tests that were not begun")
            .add("flaky", &R::flaky, "Tests that passed and went wrong, counted above too")
            .add("bad", &R::bad, "Tests that failed, crashed or took too long")
            .add("needs", &R::needs, "What tests missed")
            .add("notes", &R::notes, "What else there is to know")
            .add("ended_early", &R::ended_early, "Why the run ended before its last test");
    }
};

RunRecord record_of(const fstests::Run& run) {
    auto summary = run.summary();
    RunRecord record{.run = run.id,
                     .directory = run.directory,
                     .kernel_release = run.kernel_release,
                     .machine = run.machine,
                     .fstype = run.fstype,
                     .seconds = run.seconds,
                     .passed = summary.passed,
                     .failed = summary.failed,
                     .not_run = summary.not_run,
                     .expunged = summary.expunged,
                     .crashed = summary.crashed,
                     .timed_out = summary.timed_out,
                     .not_reached = summary.not_reached,
                     .flaky = summary.flaky,
                     .notes = run.notes};
    for (const auto& test : run.tests)
        if (const auto& worst = test.worst(); fstests::is_bad(worst.status))
            record.bad.push_back({test.id(), std::string(fstests::name_of(worst.status)),
                                  worst.reason, worst.seconds});
    for (const auto& need : run.needs)
        record.needs.push_back({need.name, need.package, need.tests.size()});
    if (run.error)
        record.ended_early = render_line(*run.error);
    return record;
}

std::string text_of(const RunRecord& record) {
    auto text = fmt::format(
        "{} passed, {} failed, {} crashed, {} timed out, {} not run, {} expunged, {} not reached, "
        "{} flaky in {}\nkernel {} on {}, {}\n",
        record.passed, record.failed, record.crashed, record.timed_out, record.not_run,
        record.expunged, record.not_reached, record.flaky, format_seconds(record.seconds),
        record.kernel_release, record.machine, record.fstype);
    if (record.ended_early)
        text += fmt::format("it ended early: {}\n", *record.ended_early);
    for (const auto& test : record.bad)
        text += fmt::format("{} {}: {}\n", test.test, test.status, test.reason);
    for (const auto& need : record.needs)
        text += fmt::format("missing {}{} ({} tests)\n", need.name,
                            need.package.empty() ? "" : fmt::format(", package {}", need.package),
                            need.tests);
    for (const auto& note : record.notes)
        text += fmt::format("note: {}\n", note);
    return printable(text + fmt::format("all files: {}\n", record.directory));
}

Result<Told<RunRecord>> run(Job& job, const FstestsArguments& arguments) {
    SLIPWAY_TRY(auto request, arguments.request());
    SLIPWAY_TRY(auto context, job.context());
    request.on_test = [&job](const fstests::Test& test, std::size_t done, std::size_t total) {
        job.add("log", printable(fstests::render_text(test)) + "\n");
        job.progress({.step = "tests", .done = done, .total = total, .bytes = false});
    };
    SLIPWAY_TRY(auto result, ops::run_fstests(context, request));
    job.add("report", render_json_pretty(fstests::to_json(result)) + "\n");
    if (result.error && result.error->code == Code::Cancelled)
        return fail(*result.error);
    auto record = record_of(result);
    auto text = text_of(record);
    return Told<RunRecord>{std::move(text), std::move(record)};
}

struct GroupsArguments : Waiting {
    std::string fstests_path;
    std::string fstype{};
    static Shape<GroupsArguments> shape() {
        using A = GroupsArguments;
        return Shape<A>()
            .add("fstests_path", &A::fstests_path, "Directory of fstests",
                 {.required = true, .is_path = true})
            .add("fstype", &A::fstype, "Groups of generic/ and of this file system; empty: all")
            .with(Waiting::shape());
    }
};

struct GroupsRecord {
    std::size_t tests = 0;
    std::map<std::string, std::size_t> groups{};
    static Shape<GroupsRecord> shape() {
        using R = GroupsRecord;
        return Shape<R>()
            .add("tests", &R::tests, "How many there are")
            .add("groups", &R::groups, "How many tests are in each group");
    }
};

Result<Told<GroupsRecord>> groups(Job& job, const GroupsArguments& arguments) {
    SLIPWAY_TRY(auto found, ops::fstests_groups(arguments.fstests_path, arguments.fstype));
    job.add("report", render_json_pretty(ops::to_json(found)) + "\n");
    Told<GroupsRecord> told{.record = {.tests = found.tests}};
    std::vector<std::string> named;
    for (const auto& group : found.groups) {
        told.record.groups[group.name] = group.tests;
        named.push_back(fmt::format("{} {}", group.name, group.tests));
    }
    told.text = fmt::format("{} tests\n{}\n", found.tests, join(named, ", "));
    return told;
}

} // namespace

void add_fstests_tools(Tools& tools) {
    tools.push_back(job_tool<FstestsArguments, RunRecord>(
        {"fstests_vm_boot_and_run", "Run fstests",
         "Boots a kernel in virtual machines and runs tests of fstests there. A test that crashes "
         "the kernel or hangs is a result, and the next one runs in a new machine. Takes minutes "
         "to hours: it goes on as a job.",
         Effect::Changes, false}, // with `install_missing`
        run));
    tools.push_back(job_tool<GroupsArguments, GroupsRecord>(
        {"fstests_groups", "Groups of fstests", "Which groups of tests there are."}, groups));
}

} // namespace slipway::mcp
