// SPDX-License-Identifier: Apache-2.0
#include "mcp/job.hpp"

#include <algorithm>
#include <exception>

#include <fmt/format.h>

#include "base/strings.hpp"

namespace slipway::mcp {
namespace {

constexpr auto wake_pause = std::chrono::milliseconds(250); ///< between two for progress alone
constexpr std::size_t most_pending_lines = 1000;

std::string describe(const sys::Progress& progress) {
    if (progress.total == 0)
        return printable(progress.step);
    auto percent = 100 * static_cast<double>(progress.done) / static_cast<double>(progress.total);
    auto text = fmt::format("{}: {:.0f} %", printable(progress.step), std::min(percent, 100.0));
    if (progress.bytes)
        text += fmt::format(" of {}", format_size(progress.total));
    return text;
}

Result<Answer> guarded(const Work& work, Job& job) {
    try {
        return work(job);
    } catch (const std::exception& error) {
        return fail(Code::Internal, fmt::format("a bug of Slipway: {}", error.what()));
    }
}

} // namespace

std::string_view name_of(JobState state) {
    switch (state) {
    case JobState::Running:
        return "running";
    case JobState::Done:
        return "done";
    case JobState::Failed:
        return "failed";
    case JobState::Cancelled:
        return "cancelled";
    }
    return "failed";
}

Job::Job(std::string id, std::string tool, std::function<void()> wake)
    : id_(std::move(id)), tool_(std::move(tool)), wake_(std::move(wake)) {}

std::string Job::uri(std::string_view text) const {
    return fmt::format("slipway://job/{}/{}", id_, text);
}

Result<ops::Context> Job::context() {
    if (!runner_) {
        SLIPWAY_TRY(runner_, session::SupervisedRunner::launch());
    }
    ops::Context context;
    context.runner = runner_.get();
    context.host.runner = runner_.get();
    context.host.cancel = cancel_;
    context.host.log =
        Log(Level::Info, [this](Level level, std::string_view text) { say(level, text); });
    context.host.progress = [this](const sys::Progress& step) { progress(step); };
    return context;
}

void Job::add(std::string_view text_name, std::string_view bytes) {
    std::shared_ptr<KeptText> text;
    {
        std::lock_guard lock(mutex_);
        auto& place = texts_[std::string(text_name)];
        if (!place)
            place = std::make_shared<KeptText>();
        text = place;
    }
    text->add(bytes);
}

void Job::say(Level level, std::string_view line) {
    auto text = printable(line);
    add("log", text + "\n");
    {
        std::lock_guard lock(mutex_);
        if (log_.size() < most_pending_lines)
            log_.push_back({level, std::move(text)});
    }
    wake_();
}

void Job::progress(const sys::Progress& progress) {
    auto step = describe(progress);
    std::string begun;
    {
        std::lock_guard lock(mutex_);
        if (step == status_.step)
            return;
        if (progress.step != status_.step.substr(0, progress.step.size()))
            begun = progress.step;
        status_.step = std::move(step);
        auto now = Clock::now();
        if (begun.empty() && now - last_wake_ < wake_pause)
            return;
        last_wake_ = now;
    }
    if (!begun.empty())
        add("log", fmt::format("[{}] {}\n", format_seconds(seconds_since(start_)), begun));
    wake_();
}

JobStatus Job::status() const {
    std::lock_guard lock(mutex_);
    auto status = status_;
    if (status.state == JobState::Running)
        status.seconds = seconds_since(start_);
    status.stop_requested = cancel_.requested();
    for (const auto& [name, text] : texts_)
        status.texts.emplace_back(name, text->size());
    return status;
}

bool Job::is_running() const {
    std::lock_guard lock(mutex_);
    return status_.state == JobState::Running;
}

void Job::cancel() {
    cancel_.request();
}

std::shared_ptr<const KeptText> Job::text(std::string_view name) const {
    std::lock_guard lock(mutex_);
    auto found = texts_.find(name);
    return found == texts_.end() ? nullptr : found->second;
}

std::vector<LogLine> Job::take_log() {
    std::lock_guard lock(mutex_);
    return std::exchange(log_, {});
}

void Job::end(Result<Answer> result) {
    // Before anybody is told: what the job started is gone then.
    runner_.reset();
    {
        std::lock_guard lock(mutex_);
        status_.seconds = seconds_since(start_);
        status_.step.clear();
        if (result) {
            status_.state = JobState::Done;
            status_.answer = std::move(*result);
        } else {
            status_.state =
                result.error().code == Code::Cancelled ? JobState::Cancelled : JobState::Failed;
            status_.error = std::move(result.error());
        }
    }
    wake_();
}

Jobs::Jobs(Limits limits, std::function<void()> wake) : limits_(limits), wake_(std::move(wake)) {}

Result<std::shared_ptr<Job>> Jobs::start(const std::string& tool, Work work) {
    collect();
    if (running_.size() >= limits_.running)
        return fail(Code::Busy, fmt::format("{} jobs are running, as many as may", running_.size()),
                    "wait for one with job_result, or stop one with job_cancel");
    auto job = std::make_shared<Job>(fmt::format("{}", ++last_), tool, wake_);
    std::thread thread([job, work = std::move(work)] { job->end(guarded(work, *job)); });
    running_.push_back({job, std::move(thread)});
    jobs_.push_back(job);
    forget_oldest();
    return job;
}

void Jobs::collect() {
    for (auto& running : running_)
        if (!running.job->is_running())
            running.thread.join();
    std::erase_if(running_, [](const Running& running) { return !running.thread.joinable(); });
}

void Jobs::forget_oldest() {
    for (auto at = jobs_.begin(); at != jobs_.end() && jobs_.size() > limits_.kept;)
        at = (*at)->is_running() ? at + 1 : jobs_.erase(at);
}

Result<std::shared_ptr<Job>> Jobs::find(const std::string& id) const {
    for (const auto& job : jobs_)
        if (job->id() == id)
            return job;
    return fail(Code::NotFound, fmt::format("there is no job '{}'", printable(id)),
                jobs_.empty()
                    ? "no job was started yet"
                    : fmt::format("job_list tells all; the last {} are kept", limits_.kept));
}

std::vector<std::shared_ptr<Job>> Jobs::list() const {
    return {jobs_.rbegin(), jobs_.rend()};
}

Status Jobs::stop(std::chrono::milliseconds limit) {
    for (const auto& running : running_)
        running.job->cancel();
    for (auto until = Clock::now() + limit; !running_.empty();) {
        collect();
        if (running_.empty())
            break;
        if (Clock::now() > until) {
            auto error =
                Error{.code = Code::Timeout,
                      .what = fmt::format("job {} ({}) did not stop", running_.front().job->id(),
                                          running_.front().job->tool())};
            for (auto& running : running_)
                running.thread.detach();
            running_.clear();
            return fail(std::move(error));
        }
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    return {};
}

} // namespace slipway::mcp
