// SPDX-License-Identifier: Apache-2.0
#include "ops/fstests_shards.hpp"

#include <atomic>
#include <condition_variable>
#include <filesystem>
#include <mutex>
#include <thread>

#include <fmt/format.h>

#include "base/strings.hpp"

namespace slipway::ops {
namespace {

using fstests::Attempt;
using fstests::TestStatus;

// One list of tests for one shard: its machines run it to the end.
struct Task {
    const SectionPlan* plan;
    std::vector<std::string> tests;
};

class Shards {
public:
    Shards(const BootMachine& boot, const sys::Host& host, const FstestsRequest& request,
           const std::vector<SectionPlan>& plans, fstests::Run& run)
        : boot_(boot), outer_(host), request_(request), run_(run) {
        host_.cancel = Cancel([this] { return stop_.load(); });
        host_.log = Log(host.log.threshold(),
                        [this](Level level, std::string_view text) { log(level, text); });
        lay_out(plans);
    }

    Status run() {
        std::vector<std::jthread> threads;
        for (unsigned shard = 0; shard < tasks_.size(); ++shard)
            threads.emplace_back([this, shard] { work(shard); });
        bool cancelled = wait();
        threads.clear(); // joins
        if (cancelled)
            error_ = Error{.code = Code::Cancelled, .what = "stopped on request"};
        if (!error_)
            return {};
        if (!any_began_)
            return fail(*std::move(error_));
        run_.error = std::move(error_);
        return {};
    }

private:
    // Every attempt of every test has its place before the first machine starts.
    void lay_out(const std::vector<SectionPlan>& plans) {
        tasks_.resize(std::max(request_.shards, 1U));
        for (const auto& plan : plans) {
            for (const auto& name : plan.tests) {
                places_[{plan.section.name, name}] = run_.tests.size();
                run_.tests.push_back({.section = plan.section.name, .name = name});
            }
            for (const auto& name : plan.expunged)
                run_.tests.push_back({.section = plan.section.name,
                                      .name = name,
                                      .attempts = {{.status = TestStatus::Expunged}}});
            auto parts = fstests::split_by_duration(plan.tests, plan.durations, tasks_.size());
            for (unsigned turn = 0; turn < std::max(request_.repeat, 1U); ++turn)
                for (std::size_t shard = 0; shard < parts.size(); ++shard)
                    if (!parts[shard].empty())
                        tasks_[shard].push_back({&plan, parts[shard]});
            total_ += plan.tests.size() * std::max(request_.repeat, 1U);
        }
    }

    void work(unsigned shard) {
        for (auto& task : tasks_[shard]) {
            while (!task.tests.empty() && !stop_)
                if (auto done = next_machine(shard, task); !done) {
                    std::lock_guard lock(mutex_);
                    if (!error_ && !stop_)
                        error_ = std::move(done).error();
                    stop_ = true;
                }
            std::lock_guard lock(mutex_);
            for (const auto& test : task.tests) // not reached
                add({.status = TestStatus::NotReached}, task, test);
        }
        std::lock_guard lock(mutex_);
        ++ended_;
        wake_.notify_one();
    }

    // Takes from the task what the machine has run.
    Status next_machine(unsigned shard, Task& task) {
        MachineJob job{.request = request_,
                       .section = task.plan->section,
                       .tests = task.tests,
                       .durations = task.plan->durations};
        job.below = fmt::format("machine-{}", ++machines_);
        job.directory = fmt::format("{}/{}", run_.directory, job.below);
        std::error_code failed;
        std::filesystem::create_directory(job.directory, failed);
        if (failed)
            return fail_errno(fmt::format("making {}", job.directory), failed.value());
        job.on_result = [this, &task](const auto& test, const auto& attempt) {
            tell(task, test, attempt);
        };
        SLIPWAY_TRY(auto outcome, run_machine(boot_, host_, job));
        std::lock_guard lock(mutex_);
        any_began_ = true;
        outcome.machine.shard = shard + 1;
        outcome.machine.section = task.plan->section.name;
        run_.machines.push_back(outcome.machine);
        if (!outcome.full.empty())
            run_.notes.push_back(fmt::format(
                "{} of this host was full while {} ran: what failed there says nothing of the "
                "kernel; make room and run it again",
                outcome.full, job.below));
        if (!outcome.kernel_release.empty()) {
            run_.kernel_release = outcome.kernel_release;
            run_.machine = outcome.kind;
        }
        auto before = task.tests.size();
        for (auto& [test, attempt] : outcome.attempts) {
            std::erase(task.tests, test);
            add(std::move(attempt), task, test);
        }
        if (task.tests.size() < before)
            return {};
        return fail(Code::ToolFailed,
                    fmt::format("a machine ran none of {} tests, and gave no reason", before),
                    fmt::format("look at the files in {}", job.directory));
    }

    void add(Attempt attempt, const Task& task, const std::string& test) {
        auto place = places_.find({task.plan->section.name, test});
        if (place != places_.end())
            run_.tests[place->second].attempts.push_back(std::move(attempt));
    }

    void tell(const Task& task, const std::string& test, const Attempt& attempt) {
        std::lock_guard lock(mutex_);
        ++told_;
        fstests::Test seen{.section = task.plan->section.name, .name = test, .attempts = {attempt}};
        if (request_.on_test)
            request_.on_test(seen, told_, total_);
        if (outer_.progress)
            outer_.progress({.step = seen.id(), .done = told_, .total = total_, .bytes = false});
    }

    void log(Level level, std::string_view text) {
        std::lock_guard lock(log_mutex_);
        if (level == Level::Debug)
            outer_.log.debug("{}", text);
        else if (level == Level::Info)
            outer_.log.info("{}", text);
        else
            outer_.log.warning("{}", text);
    }

    // Only this thread asks the caller, who may have one alone. True: he wants to stop.
    bool wait() {
        std::unique_lock lock(mutex_);
        bool cancelled = false;
        while (ended_ < tasks_.size()) {
            wake_.wait_for(lock, std::chrono::milliseconds(100));
            lock.unlock();
            if (!cancelled && outer_.cancel.requested())
                cancelled = stop_ = true;
            lock.lock();
        }
        return cancelled;
    }

    const BootMachine& boot_;
    const sys::Host& outer_;
    const FstestsRequest& request_;
    fstests::Run& run_;
    sys::Host host_;
    std::vector<std::vector<Task>> tasks_; ///< of each shard
    std::map<std::pair<std::string, std::string>, std::size_t> places_;
    std::size_t total_ = 0;
    std::size_t told_ = 0;
    std::atomic<unsigned> machines_{0};
    std::atomic<bool> stop_{false};
    std::mutex mutex_; ///< of run_ and all below
    std::mutex log_mutex_;
    std::condition_variable wake_;
    std::size_t ended_ = 0;
    bool any_began_ = false;
    std::optional<Error> error_;
};

} // namespace

Status run_shards(const BootMachine& boot, const sys::Host& host, const FstestsRequest& request,
                  const std::vector<SectionPlan>& plans, fstests::Run& run) {
    return Shards(boot, host, request, plans, run).run();
}

} // namespace slipway::ops
