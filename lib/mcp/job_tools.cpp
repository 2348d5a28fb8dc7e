// SPDX-License-Identifier: Apache-2.0
// job_list, job_status, job_result, job_read, job_cancel.
#include <algorithm>

#include <fmt/format.h>

#include "mcp/tools.hpp"

namespace slipway::mcp {
namespace {

constexpr std::size_t page_size = 2800; ///< with its first line under 3,000 characters

struct NoArguments {
    static Shape<NoArguments> shape() { return {}; }
};

struct JobArguments {
    std::string job_id;
    static Shape<JobArguments> shape() {
        return Shape<JobArguments>().add("job_id", &JobArguments::job_id,
                                         "As the tool's call gave it", {.required = true});
    }
};

struct ResultArguments : Waiting {
    std::string job_id;
    static Shape<ResultArguments> shape() {
        return Shape<ResultArguments>()
            .add("job_id", &ResultArguments::job_id, "As the tool's call gave it",
                 {.required = true})
            .with(Waiting::shape());
    }
};

struct ReadArguments {
    std::string job_id;
    std::string name = "log";
    std::uint64_t offset = 0;
    bool last = false;
    static Shape<ReadArguments> shape() {
        using A = ReadArguments;
        return Shape<A>()
            .add("job_id", &A::job_id, "As the tool's call gave it", {.required = true})
            .add("name", &A::name, "Which of its texts",
                 {.choices = {text_names.begin(), text_names.end()}})
            .add("offset", &A::offset, "Byte to begin at; the page before tells the next one")
            .add("last", &A::last, "The last page, in place of 'offset'");
    }
};

struct TextRecord {
    std::string name;
    std::string uri;
    std::uint64_t size = 0;
    static Shape<TextRecord> shape() {
        using R = TextRecord;
        return Shape<R>()
            .add("name", &R::name, "For job_read")
            .add("uri", &R::uri, "For resources/read")
            .add("size", &R::size, "Bytes, so far");
    }
};

struct JobRecord {
    std::string job_id;
    std::string tool;
    std::string state;
    double seconds = 0;
    std::optional<std::string> step{};
    bool stop_requested = false;
    std::vector<TextRecord> texts{};
    static Shape<JobRecord> shape() {
        using R = JobRecord;
        return Shape<R>()
            .add("job_id", &R::job_id, "Its id")
            .add("tool", &R::tool, "The tool that began it")
            .add("state", &R::state, "How it stands",
                 {.choices = {"running", "done", "failed", "cancelled"}})
            .add("seconds", &R::seconds, "Since it began, or that it took")
            .add("step", &R::step, "What it does now")
            .add("stop_requested", &R::stop_requested, "job_cancel was called")
            .add("texts", &R::texts, "What job_read can read");
    }
};

struct JobsRecord {
    std::vector<JobRecord> jobs{};
    static Shape<JobsRecord> shape() {
        return Shape<JobsRecord>().add("jobs", &JobsRecord::jobs, "Newest first");
    }
};

JobRecord record_of(const Job& job) {
    auto status = job.status();
    JobRecord record{.job_id = job.id(),
                     .tool = job.tool(),
                     .state = std::string(name_of(status.state)),
                     .seconds = status.seconds,
                     .stop_requested = status.stop_requested};
    if (!status.step.empty())
        record.step = status.step;
    for (const auto& [name, size] : status.texts)
        record.texts.push_back({name, job.uri(name), size});
    return record;
}

std::string line_of(const JobRecord& record) {
    auto text = fmt::format("job {}: {}, {} after {}", record.job_id, record.tool, record.state,
                            format_seconds(record.seconds));
    if (record.step)
        text += ": " + *record.step;
    if (record.stop_requested && record.state == "running")
        text += " (asked to stop)";
    return text + "\n";
}

Told<JobRecord> tell(const Job& job) {
    auto record = record_of(job);
    return {line_of(record), std::move(record)};
}

Result<Told<JobsRecord>> list(const Jobs& jobs) {
    Told<JobsRecord> told;
    for (const auto& job : jobs.list()) {
        told.record.jobs.push_back(record_of(*job));
        told.text += line_of(told.record.jobs.back());
    }
    if (told.text.empty())
        told.text = "no jobs";
    return told;
}

// A text alone: it would only be there twice.
Result<Answer> read(const Jobs& jobs, const ReadArguments& arguments) {
    SLIPWAY_TRY(auto job, jobs.find(arguments.job_id));
    auto text = job->text(arguments.name);
    if (!text)
        return fail(Code::NotFound,
                    fmt::format("job {} has no text '{}'", job->id(), arguments.name),
                    "job_status tells which it has");
    SLIPWAY_TRY(auto page, arguments.last ? text->last_page(page_size)
                                          : text->page(arguments.offset, page_size));
    auto more = page.end() < page.size ? fmt::format("next offset {}", page.end())
                                       : std::string(job->is_running() ? "no more yet" : "the end");
    return Answer{.text = fmt::format("[job {} {}: bytes {} to {} of {}; {}]\n{}", job->id(),
                                      arguments.name, page.offset, page.end(), page.size, more,
                                      page.text)};
}

} // namespace

void add_job_tools(Tools& tools, Jobs& jobs) {
    tools.push_back(quick_tool<NoArguments, JobsRecord>(
        {"job_list", "List jobs", "The jobs of this server: running ones, and those that ended."},
        [&jobs](const NoArguments&) { return list(jobs); }));
    tools.push_back(quick_tool<JobArguments, JobRecord>(
        {"job_status", "Status of a job", "How a job stands, and which texts it has."},
        [&jobs](const JobArguments& arguments) -> Result<Told<JobRecord>> {
            SLIPWAY_TRY(auto job, jobs.find(arguments.job_id));
            return tell(*job);
        }));
    tools.push_back(quick_tool<JobArguments, JobRecord>(
        {"job_cancel", "Stop a job",
         "Asks a job to stop; its processes and machines end. job_result tells when it has.",
         Effect::Changes},
        [&jobs](const JobArguments& arguments) -> Result<Told<JobRecord>> {
            SLIPWAY_TRY(auto job, jobs.find(arguments.job_id));
            if (job->is_running())
                job->cancel();
            return tell(*job);
        }));
    tools.push_back(
        {.info = {"job_result", "Result of a job",
                  "Waits for a job, and gives what its tool would have given. May be asked again."},
         .input_schema = ResultArguments::shape().schema(false),
         .result_schema = Value<Json>::schema(true),
         .prepare = [&jobs](const Json& json) -> Result<Prepared> {
             SLIPWAY_TRY(auto arguments, ResultArguments::shape().read(json, ""));
             SLIPWAY_TRY(auto job, jobs.find(arguments.job_id));
             return Prepared{.job = job->id(), .wait_seconds = arguments.wait_seconds};
         }});
    tools.push_back({.info = {"job_read", "Read a job's text",
                              "A page of a job's log, report (JSON), program output or console."},
                     .input_schema = ReadArguments::shape().schema(false),
                     .plain = true,
                     .prepare = [&jobs](const Json& json) -> Result<Prepared> {
                         SLIPWAY_TRY(auto arguments, ReadArguments::shape().read(json, ""));
                         SLIPWAY_TRY(auto answer, read(jobs, arguments));
                         return Prepared{.answer = std::move(answer)};
                     }});
}

} // namespace slipway::mcp
