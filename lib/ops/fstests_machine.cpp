// SPDX-License-Identifier: Apache-2.0
#include "ops/fstests_machine.hpp"

#include <algorithm>

#include <fcntl.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <fmt/format.h>

#include "base/strings.hpp"
#include "fstests/evidence.hpp"
#include "ops/fstests_watch.hpp"
#include "sys/directories.hpp"
#include "sys/root_dir.hpp"

namespace slipway::ops {
namespace {

using fstests::Attempt;
using fstests::TestStatus;

// To boot, make the file systems, and start check.
constexpr double longest_start = 600;
constexpr std::size_t largest_report = 64 << 20;
constexpr auto tmpfs_directory = "/dev/shm";

// Less than that is left where a write has failed: the kernel under test saw an I/O error.
bool is_full(const std::string& directory) {
    constexpr std::uint64_t least = 4 << 20;
    struct statvfs info {};
    return ::statvfs(directory.c_str(), &info) == 0 && info.f_blocks > 0 &&
           info.f_bavail * info.f_frsize < least;
}

class MachineRun {
public:
    MachineRun(const BootMachine& boot, const sys::Host& host, const MachineJob& job)
        : boot_(boot), job_(job), host_(host), shared_(job.directory + "/shared"),
          watch_([this](const auto& verdict) { tell(verdict); }) {
        auto outer = host.cancel;
        host_.cancel = Cancel([this, outer] { return outer.requested() || is_overdue(); });
        host_.progress = {};
    }

    Result<MachineOutcome> run() {
        SLIPWAY_CHECK(write_files());
        SLIPWAY_TRY(auto request, describe());
        session::CallHooks hooks;
        hooks.on_data = [this](int stream, std::string_view bytes) { return hear(stream, bytes); };
        auto result = boot_(host_, request, hooks);
        watch_.finish();
        outcome_.machine.seconds = seconds_since(started_);
        stopped_ = !result && !overdue_ && result.error().code == Code::Cancelled;
        if (!result && !overdue_ && !(stopped_ && watch_.output().begun() > 0))
            return fail(std::move(result).error());
        if (result)
            outcome_.machine.end = name_of(result->end);
        if (watch_.output().begun() == 0)
            return fail(no_start(result));
        judge(result);
        return std::move(outcome_);
    }

private:
    Status write_files() {
        SLIPWAY_CHECK(sys::make_directories(shared_ + "/results"));
        SLIPWAY_CHECK(sys::write_file(shared_ + "/run.sh", run_script()));
        SLIPWAY_CHECK(
            sys::write_file(shared_ + "/config", config_text(job_.request, job_.section)));
        SLIPWAY_CHECK(sys::write_file(shared_ + "/tests", join(job_.tests, "\n") + "\n"));
        SLIPWAY_CHECK(sys::write_file(shared_ + "/results/check.time",
                                      fstests::render_check_time(job_.durations)));
        SLIPWAY_TRY(console_, sys::open_file(job_.directory + "/console.log",
                                             O_WRONLY | O_CREAT | O_TRUNC, 0644));
        SLIPWAY_TRY(output_, sys::open_file(job_.directory + "/output.log",
                                            O_WRONLY | O_CREAT | O_TRUNC, 0644));
        return {};
    }

    Result<BootKernelRequest> describe() {
        const auto& asked = job_.request;
        BootKernelRequest request{
            .kernel = asked.kernel,
            .root = asked.root,
            .shared = {{guest_suite, asked.fstests, false}, {guest_work, shared_, true}},
            .memory_mib = asked.memory_mib,
            .cpus = asked.cpus,
            .accelerator = asked.accelerator,
            .append = asked.append,
            .argv = {"bash", fmt::format("{}/run.sh", guest_work), guest_suite, guest_work}};
        if (asked.devices != DeviceKind::NullBlk)
            for (const auto& serial : disk_serials(asked, job_.section.get("FSTYP"))) {
                SLIPWAY_TRY(auto disk, make_disk(serial));
                request.disks.push_back(std::move(disk));
            }
        request.on_console = [this](std::string_view bytes) {
            // What cannot be kept is not worth the run.
            [[maybe_unused]] auto written = sys::write_all(console_, bytes);
            watch_.hear_console(bytes);
        };
        // Not its result: a machine that is stopped has none.
        request.on_begin = [this](const BootKernelResult& known) { take(known); };
        return request;
    }

    // One that goes with the machine; in memory it has no name either.
    Result<TestDisk> make_disk(const std::string& serial) {
        TestDisk disk{.serial = serial, .size = job_.request.disk_size};
        if (job_.request.devices == DeviceKind::File)
            return disk;
        SLIPWAY_TRY(auto file, sys::open_file(tmpfs_directory, O_RDWR | O_TMPFILE, 0600));
        if (::ftruncate(file.raw(), static_cast<off_t>(disk.size)) != 0)
            return fail_errno(fmt::format("making a disk in {}", tmpfs_directory));
        disk.file = sys::proc_path(file.raw());
        disks_.push_back(std::move(file));
        return disk;
    }

    // While it runs: the disks have no name, and their space is free again after it.
    void look_at_space() {
        if (!outcome_.full.empty())
            return;
        looked_ = Clock::now();
        std::vector<std::string> directories{job_.directory};
        bool has_disks = !disk_serials(job_.request, job_.section.get("FSTYP")).empty();
        if (has_disks && job_.request.devices != DeviceKind::NullBlk)
            directories.push_back(job_.request.devices == DeviceKind::Tmpfs ? tmpfs_directory
                                                                            : scratch_directory());
        for (const auto& directory : directories)
            if (is_full(directory))
                outcome_.full = directory;
    }

    Status hear(int stream, std::string_view bytes) {
        SLIPWAY_CHECK(sys::write_all(output_, bytes));
        look_at_space(); // what it says may be that a write has failed
        if (stream == 1) {
            if (watch_.output().begun() == 0)
                outcome_.machine.seconds_to_check = seconds_since(started_);
            watch_.hear_output(bytes);
        }
        return {};
    }

    bool is_overdue() {
        if (seconds_since(looked_) > 1)
            look_at_space();
        bool started = watch_.output().begun() > 0;
        double limit =
            started ? std::chrono::duration<double>(job_.request.timeout).count() : longest_start;
        overdue_ = overdue_ || (limit > 0 && watch_.seconds_in_test() > limit);
        return overdue_;
    }

    void tell(const fstests::Verdict& verdict) {
        auto attempt = fstests::attempt_of(verdict, nullptr);
        attempt.complaints = watch_.complaints_of(verdict.name);
        if (job_.on_result)
            job_.on_result(verdict.name, attempt);
        outcome_.attempts.insert_or_assign(verdict.name, std::move(attempt));
    }

    void take(const BootKernelResult& result) {
        outcome_.kernel_release = result.kernel_release;
        outcome_.kind =
            result.machine == "qemu"
                ? fmt::format("qemu ({})",
                              result.accelerator.substr(0, result.accelerator.find(':')))
                : result.machine;
    }

    Error no_start(const Result<BootKernelResult>& result) const {
        if (!result)
            return Error{.code = Code::Timeout,
                         .what = fmt::format("no test began within {} s of the machine's start",
                                             longest_start)};
        std::vector<std::string> output = watch_.output().other();
        auto error = explain_lack(output, outcome_.kernel_release);
        if (result->end != MachineEnd::Exited)
            error.what = fmt::format("the machine {} before the first test began",
                                     result->end == MachineEnd::Panicked ? "panicked" : "ended");
        if (result->exec_errno != 0)
            error.what = "the root has no bash";
        if (!outcome_.full.empty()) {
            error.code = Code::NoSpace;
            error.hint = fmt::format("{} of this host is full: make room", outcome_.full);
        }
        if (error.code != Code::Unsupported && output.empty())
            error.tool->stderr_tail = result->console_tail;
        return error;
    }

    // What only the end tells: the files that check wrote, and the test that ended the machine.
    void judge(const Result<BootKernelResult>& result) {
        add_reported();
        const auto running = watch_.output().running();
        if (!running.empty() && !outcome_.attempts.contains(running) && !stopped_)
            add_last(running, result);
        if (overdue_ || stopped_)
            outcome_.machine.end = "stopped";
        outcome_.machine.tests = watch_.output().begun();
    }

    void add_last(const std::string& test, const Result<BootKernelResult>& result) {
        Attempt attempt{.status = TestStatus::Crashed,
                        .seconds = watch_.seconds_in_test(),
                        .console = watch_.console(),
                        .complaints = watch_.complaints_of(test)};
        auto fatal = std::find_if(attempt.complaints.rbegin(), attempt.complaints.rend(),
                                  [](const auto& complaint) { return complaint.fatal; });
        if (overdue_) {
            attempt.status = TestStatus::TimedOut;
            attempt.reason =
                fmt::format("it did not end within {:.0f} s",
                            std::chrono::duration<double>(job_.request.timeout).count());
        } else if (fatal != attempt.complaints.rend()) {
            attempt.reason = fatal->title;
        } else if (result && result->end == MachineEnd::Exited) {
            attempt.reason = "check ended while it ran";
        } else {
            attempt.reason = "the machine ended while it ran";
        }
        if (job_.on_result)
            job_.on_result(test, attempt);
        outcome_.attempts.insert_or_assign(test, std::move(attempt));
    }

    // The machine may write what it likes there: links are followed inside the directory only.
    void add_reported() {
        auto root = sys::RootDir::open(shared_);
        if (!root)
            return;
        auto text = root->read(sys::GuestPath("/results/result.xml"), largest_report);
        auto cases = text ? fstests::parse_xunit(*text) : fail(Code::NotFound, "none");
        for (const auto& verdict : watch_.output().verdicts()) {
            auto& attempt = outcome_.attempts[verdict.name];
            const fstests::XunitCase* found = nullptr;
            if (cases)
                for (const auto& reported : *cases)
                    if (reported.name == verdict.name)
                        found = &reported;
            auto complaints = watch_.complaints_of(verdict.name);
            attempt = fstests::attempt_of(verdict, found);
            attempt.complaints = std::move(complaints);
        }
        for (auto& [test, attempt] : outcome_.attempts) {
            auto full = sys::GuestPath::parse(fmt::format("/results/{}.full", test));
            if (fstests::is_bad(attempt.status) && full && root->exists(*full))
                attempt.full = fmt::format("{}/shared{}", job_.below, full->str());
        }
    }

    const BootMachine& boot_;
    const MachineJob& job_;
    sys::Host host_;
    std::string shared_;
    FstestsWatch watch_;
    MachineOutcome outcome_;
    sys::OwnedFd console_;
    sys::OwnedFd output_;
    std::vector<sys::OwnedFd> disks_;
    Clock::time_point started_ = Clock::now();
    Clock::time_point looked_{}; ///< at the space
    bool overdue_ = false;
    bool stopped_ = false; ///< on request
};

} // namespace

Result<MachineOutcome> run_machine(const BootMachine& boot, const sys::Host& host,
                                   const MachineJob& job) {
    return MachineRun(boot, host, job).run();
}

} // namespace slipway::ops
