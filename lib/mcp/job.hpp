// SPDX-License-Identifier: Apache-2.0
// Work that a tool asked for: each job has a thread, a supervisor and a request to stop of its own,
// so that jobs do not meet, and the server goes on answering.
#pragma once

#include <array>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "base/units.hpp"
#include "mcp/kept_text.hpp"
#include "ops/open_image.hpp"

namespace slipway::mcp {

/// What the caller of a tool is told.
struct Answer {
    std::string text{}; ///< for a reader, short
    Json record = Json::object();
    Json schema = Json::object(); ///< of the record
};

/// The texts of a job: what it said, its report in JSON, output and errors of a program, a console.
inline constexpr std::array<std::string_view, 5> text_names{"log", "report", "output", "errors",
                                                            "console"};

enum class JobState { Running, Done, Failed, Cancelled };
[[nodiscard]] std::string_view name_of(JobState state);

struct LogLine {
    Level level = Level::Info;
    std::string text;
};

/// How a job stands.
struct JobStatus {
    JobState state = JobState::Running;
    double seconds = 0;
    std::string step{}; ///< what it does now
    bool stop_requested = false;
    std::vector<std::pair<std::string, std::uint64_t>> texts{}; ///< with their sizes in bytes
    Answer answer{};                                            ///< if Done
    std::optional<Error> error{};                               ///< if Failed or Cancelled
};

class Job {
public:
    Job(std::string id, std::string tool, std::function<void()> wake);

    [[nodiscard]] const std::string& id() const { return id_; }
    [[nodiscard]] const std::string& tool() const { return tool_; }
    [[nodiscard]] std::string uri(std::string_view text) const;

    // For the job's own thread.
    /// What an operation works with. Starts a supervisor at the first call; everything that it
    /// started ends with the job.
    [[nodiscard]] Result<ops::Context> context();
    void add(std::string_view text_name, std::string_view bytes);
    void say(Level level, std::string_view line);
    void progress(const sys::Progress& progress);

    // For any thread.
    [[nodiscard]] JobStatus status() const;
    [[nodiscard]] bool is_running() const;
    void cancel();
    /// Null where the job has no such text.
    [[nodiscard]] std::shared_ptr<const KeptText> text(std::string_view name) const;
    /// What was said since the last call.
    [[nodiscard]] std::vector<LogLine> take_log();

private:
    friend class Jobs;
    void end(Result<Answer> result);

    const std::string id_;
    const std::string tool_;
    const std::function<void()> wake_;
    const Clock::time_point start_ = Clock::now();
    Cancel cancel_;
    std::unique_ptr<session::SupervisedRunner> runner_; ///< of the job's thread

    mutable std::mutex mutex_; ///< of all that follows
    JobStatus status_;
    Clock::time_point last_wake_{};
    std::map<std::string, std::shared_ptr<KeptText>, std::less<>> texts_;
    std::vector<LogLine> log_;
};

using Work = std::function<Result<Answer>(Job&)>;

/// All jobs of a server. For one thread; the jobs' own call `wake`, which must return soon.
class Jobs {
public:
    struct Limits {
        std::size_t running = 8; ///< at the same time
        std::size_t kept = 64;   ///< with those that have ended; the oldest are forgotten
    };
    Jobs(Limits limits, std::function<void()> wake);
    Jobs(const Jobs&) = delete;
    Jobs& operator=(const Jobs&) = delete;
    ~Jobs() = default; ///< after `stop`

    /// Busy where as many run as may.
    [[nodiscard]] Result<std::shared_ptr<Job>> start(const std::string& tool, Work work);
    /// NotFound, with those that there are.
    [[nodiscard]] Result<std::shared_ptr<Job>> find(const std::string& id) const;
    /// Newest first.
    [[nodiscard]] std::vector<std::shared_ptr<Job>> list() const;
    /// Cancels all and waits for their end. Timeout, naming one that did not end in time: then the
    /// process must end by _exit(2), whereupon the supervisors end what is left.
    [[nodiscard]] Status stop(std::chrono::milliseconds limit);

private:
    struct Running {
        std::shared_ptr<Job> job;
        std::thread thread;
    };
    void collect();
    void forget_oldest();

    const Limits limits_;
    const std::function<void()> wake_;
    std::uint64_t last_ = 0;
    std::vector<std::shared_ptr<Job>> jobs_; ///< oldest first
    std::vector<Running> running_;
};

} // namespace slipway::mcp
