// SPDX-License-Identifier: Apache-2.0
// Runs of tests/fstests-suite with a stand-in for the machine: the same script in namespaces of
// this host, where `c` in a file of ours is a crash of the kernel.
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <thread>

#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>

#include <fmt/format.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/strings.hpp"
#include "fstests/needs.hpp"
#include "ops/fstests_run.hpp"

using namespace slipway;
using namespace slipway::ops;
using testing::AllOf;
using testing::Each;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

namespace {

namespace fs = std::filesystem;

class Fstests : public testing::Test {
protected:
    Fstests() {
        directory_ = testing::TempDir() + "fstests-XXXXXX";
        if (::mkdtemp(directory_.data()) == nullptr)
            std::abort();
        ::setenv("XDG_STATE_HOME", (directory_ + "/state").c_str(), 1);
        ::setenv("XDG_DATA_HOME", (directory_ + "/data").c_str(), 1);
        std::ofstream(directory_ + "/local.config")
            << "FSTYP=tmpfs\nCRASH_TRIGGER=" << trigger() << "\nFLAKY_FILE=" << directory_
            << "/flaky\nTEST_DEV=/dev/sda\n";
        request_ = {.kernel = "host",
                    .fstests = SLIPWAY_SOURCE_DIR "/tests/fstests-suite",
                    .root = "host",
                    .fstype = "tmpfs",
                    .sections_file = directory_ + "/local.config",
                    .timeout = std::chrono::seconds(60)};
    }
    ~Fstests() override { fs::remove_all(directory_); }

    [[nodiscard]] std::string trigger() const { return directory_ + "/trigger"; }
    [[nodiscard]] bool has_crashed() const {
        std::error_code failed;
        return fs::file_size(trigger(), failed) > 0 && !failed;
    }

    Result<BootKernelResult> boot(const sys::Host& host, const BootKernelRequest& request,
                                  const session::CallHooks& hooks) {
        given_times_ = sys::read_file(request.shared.at(1).host + "/results/check.time").value();
        auto argv = request.argv;
        for (auto& word : argv)
            for (const auto& shared : request.shared)
                if (word == shared.guest || word.starts_with(shared.guest + "/"))
                    word = shared.host + word.substr(shared.guest.size());
        sys::ProcessSpec spec{.argv = {"unshare", "-rm", "--propagation", "private", "sh", "-c",
                                       "mount -t tmpfs none /mnt && exec \"$@\"", "sh"}};
        spec.argv.insert(spec.argv.end(), argv.begin(), argv.end());
        BootKernelResult result{.kernel_release = "6.0-of-the-test", .machine = "none"};
        request.on_begin(result);
        sys::LocalRunner runner;
        auto cancel = host.cancel;
        bool crashed = false;
        auto ran = sys::run(
            runner, spec,
            {.deadline = std::chrono::minutes(5),
             .cancel = Cancel([&] { return cancel.requested() || (crashed = has_crashed()); }),
             .on_stdout = [&hooks](auto bytes) { (void)hooks.on_data(1, bytes); }});
        if (crashed) {
            fs::remove(trigger());
            request.on_console("[    5.1] run fstests generic/008 at 2026-01-31 12:00:00\n"
                               "[    6.2] Kernel panic - not syncing: sysrq triggered crash\n");
            result.end = MachineEnd::Panicked;
            return result;
        }
        if (!ran)
            return fail(std::move(ran).error());
        result.status = ran->status;
        return result;
    }

    Result<fstests::Run> run() {
        return run_fstests_in([this](const auto& host, const auto& request,
                                     const auto& hooks) { return boot(host, request, hooks); },
                              sys::Host{.cancel = cancel_}, request_);
    }

    std::string directory_;
    FstestsRequest request_;
    Cancel cancel_;
    std::string given_times_; ///< check.time of the last machine, before it ran
};

std::vector<std::string> results(const fstests::Run& run) {
    std::vector<std::string> lines;
    for (const auto& test : run.tests)
        lines.push_back(test.name + " " + std::string(name_of(test.worst().status)));
    return lines;
}

const fstests::Attempt& result_of(const fstests::Run& run, const std::string& name) {
    for (const auto& test : run.tests)
        if (test.name == name)
            return test.worst();
    static const fstests::Attempt none;
    ADD_FAILURE() << "no test " << name;
    return none;
}

TEST_F(Fstests, GoesOnAfterATestThatHangsAndOneThatCrashes) {
    request_.tests = {"generic/*", "-e", "generic/009,generic/010"};
    request_.timeout = std::chrono::seconds(8);
    std::vector<std::string> told;
    request_.on_test = [&told](const auto& test, auto, auto) { told.push_back(test.name); };
    auto run = this->run();
    ASSERT_TRUE(run.has_value()) << render_text(run.error());
    EXPECT_THAT(results(*run),
                ElementsAre("generic/001 passed", "generic/002 passed", "generic/003 failed",
                            "generic/004 failed", "generic/005 not run", "generic/006 not run",
                            "generic/007 timed out", "generic/008 crashed", "generic/011 passed",
                            "generic/012 passed", "generic/013 not run", "generic/009 expunged",
                            "generic/010 expunged"));
    EXPECT_THAT(run->machines, SizeIs(3));
    EXPECT_THAT(told, SizeIs(11));
    EXPECT_EQ(exit_code_of(*run), 1);
    EXPECT_THAT(result_of(*run, "generic/003").diff, HasSubstr("+a < b & c"));
    EXPECT_THAT(result_of(*run, "generic/003").full, HasSubstr("machine-1/shared/results"));
    EXPECT_EQ(result_of(*run, "generic/004").reason, "failed, exit status 3");
    EXPECT_EQ(result_of(*run, "generic/008").reason,
              "Kernel panic - not syncing: sysrq triggered crash");
    EXPECT_THAT(result_of(*run, "generic/008").console, HasSubstr("sysrq triggered crash"));
    EXPECT_THAT(fstests::packages_of(run->needs), ElementsAre("fio"));
    // What a user says of devices is not taken, and he is told.
    EXPECT_THAT(run->notes, ElementsAre(HasSubstr("TEST_DEV")));
    auto kept = load_run("");
    ASSERT_TRUE(kept.has_value()) << render_text(kept.error());
    EXPECT_EQ(fstests::to_json(*kept), fstests::to_json(*run));
}

TEST_F(Fstests, KnowsHowLongTestsOfTheSameSuiteTook) {
    request_.tests = {"generic/001"};
    ASSERT_TRUE(run().has_value());
    EXPECT_EQ(given_times_, "");
    ASSERT_TRUE(run().has_value());
    EXPECT_THAT(given_times_, HasSubstr("generic/001 "));
    // The same name elsewhere is another test.
    auto other = directory_ + "/suite";
    fs::copy(request_.fstests, other, fs::copy_options::recursive);
    request_.fstests = other;
    ASSERT_TRUE(run().has_value());
    EXPECT_EQ(given_times_, "");
}

TEST_F(Fstests, FindsFlakyTests) {
    request_.tests = {"generic/009", "generic/011"};
    request_.repeat = 2;
    auto run = this->run();
    ASSERT_TRUE(run.has_value()) << render_text(run.error());
    EXPECT_TRUE(run->tests.at(0).is_flaky());
    EXPECT_THAT(run->tests.at(1).attempts, SizeIs(2));
    EXPECT_EQ(run->summary().flaky, 1U);
}

TEST_F(Fstests, RunsShardsThatDoNotMeet) {
    request_.tests = {"generic/001", "generic/002", "generic/004", "generic/011"};
    request_.shards = 2;
    auto run = this->run();
    ASSERT_TRUE(run.has_value()) << render_text(run.error());
    EXPECT_THAT(results(*run), ElementsAre("generic/001 passed", "generic/002 passed",
                                           "generic/004 failed", "generic/011 passed"));
    ASSERT_THAT(run->machines, SizeIs(2));
    EXPECT_EQ(run->machines[0].tests, 2U);
    EXPECT_NE(run->machines[0].shard, run->machines[1].shard);
}

TEST_F(Fstests, KeepsBaselines) {
    request_.tests = {"generic/001", "generic/004"};
    auto before = this->run();
    ASSERT_TRUE(before.has_value()) << render_text(before.error());
    ASSERT_TRUE(save_baseline("nightly", *before, false).has_value());
    EXPECT_EQ(save_baseline("nightly", *before, false).error().code, Code::Exists);
    EXPECT_EQ(save_baseline("../nightly", *before, true).error().code, Code::InvalidArgument);
    EXPECT_EQ(show_baseline("weekly").error().code, Code::NotFound);
    EXPECT_EQ(list_baselines({})->at(0).name, "nightly");
    auto after = *before;
    after.tests.at(0).attempts.at(0).status = fstests::TestStatus::Crashed;
    auto comparison = compare_baseline("nightly", after);
    ASSERT_TRUE(comparison.has_value()) << render_text(comparison.error());
    EXPECT_THAT(comparison->regressions, SizeIs(1));
    EXPECT_EQ(comparison->still_bad, 1U);
}

TEST_F(Fstests, TellsWhatTheKernelLacks) {
    request_.sections_file.clear();
    request_.fstype = "nosuchfs";
    request_.tests = {"generic/001"};
    auto run = this->run();
    ASSERT_FALSE(run.has_value());
    EXPECT_EQ(run.error().code, Code::Unsupported);
    EXPECT_EQ(run.error().what, "the kernel 6.0-of-the-test has no driver nosuchfs");
}

TEST_F(Fstests, PassesOnWhyAMachineDoesNotStart) {
    request_.tests = {"generic/001"};
    auto run = run_fstests_in(
        [](const auto&, const auto&, const auto&) -> Result<BootKernelResult> {
            return fail(Code::NotFound, "no such kernel");
        },
        {}, request_);
    ASSERT_FALSE(run.has_value());
    EXPECT_EQ(run.error().what, "no such kernel");
}

TEST_F(Fstests, KeepsWhatItHasWhereALaterMachineDoesNotStart) {
    request_.tests = {"generic/001", "generic/008", "generic/011"};
    int started = 0;
    auto run = run_fstests_in(
        [&](const auto& host, const auto& request, const auto& hooks) -> Result<BootKernelResult> {
            if (++started > 1)
                return fail(Code::NoSpace, "no room");
            return boot(host, request, hooks);
        },
        {}, request_);
    ASSERT_TRUE(run.has_value()) << render_text(run.error());
    EXPECT_THAT(results(*run), ElementsAre("generic/001 passed", "generic/008 crashed",
                                           "generic/011 not reached"));
    ASSERT_TRUE(run->error.has_value());
    EXPECT_EQ(run->error->what, "no room");
    EXPECT_EQ(exit_code_of(*run), 4);
    EXPECT_FALSE(save_baseline("half", *run, false).has_value());
}

TEST_F(Fstests, StopsOnRequest) {
    std::jthread stop([cancel = cancel_] {
        std::this_thread::sleep_for(std::chrono::seconds(1));
        cancel.request();
    });
    request_.tests = {"generic/001", "generic/007"};
    auto run = this->run();
    ASSERT_TRUE(run.has_value()) << render_text(run.error());
    EXPECT_THAT(results(*run), ElementsAre("generic/001 passed", "generic/007 not reached"));
    ASSERT_TRUE(run->error.has_value());
    EXPECT_EQ(run->error->code, Code::Cancelled);
    EXPECT_EQ(exit_code_of(*run), exit_code_of(Code::Cancelled));
}

TEST_F(Fstests, IsNotWholeWhileItRuns) {
    request_.tests = {"generic/001"};
    std::string said;
    auto run = run_fstests_in(
        [&](const auto& host, const auto& request, const auto& hooks) {
            auto kept = load_run("");
            said = kept && kept->error ? kept->error->what : "";
            return boot(host, request, hooks);
        },
        {}, request_);
    ASSERT_TRUE(run.has_value()) << render_text(run.error());
    EXPECT_EQ(said, "it is running, or was killed");
    EXPECT_FALSE(load_run("")->error.has_value());
    auto mode = fs::status(directory_ + "/state/slipway/fstests/runs").permissions();
    EXPECT_EQ(mode, fs::perms::owner_all);
}

TEST_F(Fstests, IsTheNewestWhereverItsFilesAre) {
    request_.tests = {"generic/001"};
    ASSERT_TRUE(run().has_value());
    std::this_thread::sleep_for(std::chrono::milliseconds(1100)); // names have whole seconds
    request_.directory = directory_ + "/elsewhere";
    ASSERT_TRUE(run().has_value());
    EXPECT_EQ(load_run("")->id, "elsewhere");
    fs::remove_all(request_.directory);
    EXPECT_NE(load_run("")->id, "elsewhere");
}

// In a child that may mount, with no room where the machine writes.
TEST_F(Fstests, TellsThatThisHostWasFull) {
    auto in_child = [this] {
        auto uid = ::getuid(), gid = ::getgid();
        if (::unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0 ||
            !sys::write_file("/proc/self/setgroups", "deny") ||
            !sys::write_file("/proc/self/uid_map", fmt::format("0 {} 1", uid)) ||
            !sys::write_file("/proc/self/gid_map", fmt::format("0 {} 1", gid)) ||
            !fs::create_directories(directory_ + "/state") ||
            ::mount("none", (directory_ + "/state").c_str(), "tmpfs", 0, "size=2m") != 0)
            ::_exit(3);
        request_.tests = {"generic/001"};
        auto run = this->run();
        auto notes = run ? join(run->notes, "\n") : render_text(run.error());
        ::fprintf(stderr, "%s\n", notes.c_str());
        ::_exit(run ? 0 : 4);
    };
    EXPECT_EXIT(in_child(), testing::ExitedWithCode(0), "was full while machine-1 ran");
}

TEST_F(Fstests, TellsThatAFileExcludesNothing) {
    request_.tests = {"generic/001"};
    request_.exclude_files = {directory_ + "/none"};
    std::ofstream(request_.exclude_files[0]) << "# nothing\n\n";
    auto run = this->run();
    ASSERT_TRUE(run.has_value()) << render_text(run.error());
    EXPECT_THAT(run->notes, testing::Contains(HasSubstr("names no tests")));
    fs::remove(request_.exclude_files[0]);
    auto missing = this->run();
    ASSERT_FALSE(missing.has_value());
    EXPECT_THAT(render_text(missing.error()), HasSubstr("/none"));
}

TEST_F(Fstests, RefusesABaselineOfAnotherFileSystemBeforeTheFirstMachine) {
    request_.tests = {"generic/001"};
    auto run = this->run();
    ASSERT_TRUE(run.has_value()) << render_text(run.error());
    run->fstype = "xfs";
    ASSERT_TRUE(save_baseline("of-xfs", *run, false).has_value());
    request_.baseline = "of-xfs";
    auto refused = run_fstests_in({}, {}, request_);
    ASSERT_FALSE(refused.has_value());
    EXPECT_EQ(refused.error().code, Code::InvalidArgument);
    EXPECT_THAT(refused.error().what, HasSubstr("of-xfs is of xfs"));
    request_.baseline = "none";
    EXPECT_EQ(run_fstests_in({}, {}, request_).error().code, Code::NotFound);
}

TEST_F(Fstests, NamesAFileThatIsNoBaseline) {
    fs::create_directories(directory_ + "/data/slipway/baselines");
    std::ofstream(directory_ + "/data/slipway/baselines/broken.json") << "{}";
    std::string said;
    Context context;
    context.host.log = Log(Level::Warning, [&said](Level, std::string_view text) { said += text; });
    ASSERT_TRUE(list_baselines(context).has_value());
    EXPECT_THAT(said, HasSubstr("broken.json"));
}

TEST_F(Fstests, RefusesWhatCannotBe) {
    auto code = [this](auto change) {
        auto request = request_;
        request.tests = {"generic/001"};
        change(request);
        auto run = run_fstests_in({}, {}, request);
        return run ? Code::Internal : run.error().code;
    };
    EXPECT_EQ(code([](auto& r) { r.fstests = "/nowhere"; }), Code::NotFound);
    EXPECT_EQ(code([](auto& r) { r.fstests = "/"; }), Code::NotFound);
    EXPECT_EQ(code([](auto& r) { r.tests = {"generic/999"}; }), Code::NotFound);
    EXPECT_EQ(code([](auto& r) {
                  r.tests = {"generic/001", "-e", "generic/001"};
              }),
              Code::InvalidArgument);
    EXPECT_EQ(code([](auto& r) { r.sections_file = "", r.fstype = "nfs"; }), Code::InvalidArgument);
    EXPECT_EQ(code([](auto& r) { r.sections_file = "", r.fstype = "a b"; }), Code::InvalidArgument);
    EXPECT_EQ(code([](auto& r) { r.pool = 1; }), Code::InvalidArgument);
    EXPECT_EQ(code([](auto& r) { r.pool = 11; }), Code::InvalidArgument);
    EXPECT_EQ(fstests_groups(request_.fstests, "nfs").error().code, Code::InvalidArgument);
    EXPECT_EQ(fstests_groups(request_.fstests, "a b").error().code, Code::InvalidArgument);
    EXPECT_EQ(code([](auto& r) { r.disk_size = 4096; }), Code::InvalidArgument);
    EXPECT_EQ(code([](auto& r) { r.sections = {"x"}; }), Code::NotFound);
    EXPECT_EQ(code([this](auto& r) { r.directory = directory_; }), Code::Exists);
}

TEST(FstestsJob, GivesAPoolOrAScratchDisk) {
    FstestsRequest request{.fstype = "btrfs"};
    EXPECT_THAT(disk_serials(request, "btrfs"), ElementsAre("test", "scratch"));
    request.pool = 3;
    request.logwrites = true;
    EXPECT_THAT(disk_serials(request, "btrfs"),
                ElementsAre("test", "pool1", "pool2", "pool3", "logwrites"));
    EXPECT_THAT(disk_serials(request, "tmpfs"), IsEmpty());
    auto config = config_text(request, complete(request, {}));
    EXPECT_THAT(config, AllOf(HasSubstr("export FSTYP=\"btrfs\"\n"),
                              HasSubstr("slipway_pool=\"pool1 pool2 pool3\"")));
}

TEST(FstestsJob, PutsOverlayOverAnotherFileSystem) {
    FstestsRequest request{.fstype = "overlay", .base_fstype = "xfs"};
    auto config = config_text(request, complete(request, {}));
    EXPECT_THAT(config, AllOf(HasSubstr("export FSTYP=\"xfs\"\n"),
                              HasSubstr("slipway_overlay=\"-overlay\"")));
}

} // namespace
