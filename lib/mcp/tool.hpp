// SPDX-License-Identifier: Apache-2.0
// A tool: a name, what it does, the shapes of its arguments and of its record, and a function.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "mcp/fields.hpp"
#include "mcp/job.hpp"

namespace slipway::mcp {

/// What a tool does to the world, for the hints that clients show or ask their users by.
enum class Effect {
    Reads,   ///< changes nothing
    Adds,    ///< makes something new
    Changes, ///< changes or removes what was there
};

struct ToolInfo {
    std::string name;
    std::string title;
    std::string description;
    Effect effect = Effect::Reads;
    bool repeatable = true; ///< a second call with the same arguments does nothing more
    bool uses_network = false;
};

/// What a call of a tool comes to: an answer at once, a new job, or waiting for one that there is.
struct Prepared {
    std::optional<Answer> answer{};
    Work work{};
    std::string job{};       ///< its id
    double wait_seconds = 0; ///< for the job; then the caller is told how it stands
};

struct Tool {
    ToolInfo info;
    Json input_schema;
    Json result_schema; ///< of the record of an answer
    bool plain = false; ///< its answer is a text alone
    /// InvalidArgument about the arguments; NotFound.
    std::function<Result<Prepared>(const Json& arguments)> prepare;
};

/// The argument of all tools that take their time. Below the 60 s after which clients give up.
struct Waiting {
    double wait_seconds = 50;
    static Shape<Waiting> shape() {
        return Shape<Waiting>().add("wait_seconds", &Waiting::wait_seconds,
                                    "Seconds to wait for the end; then the job's id is returned, "
                                    "for job_result. 0: return at once",
                                    {.least = 0, .most = 3600});
    }
};

/// A text for readers and a record for programs.
template <class R> struct Told {
    std::string text;
    R record{};
};

template <Shaped R> [[nodiscard]] Answer answer_of(Told<R> told) {
    return {std::move(told.text), R::shape().write(told.record), R::shape().schema(true)};
}

/// Hints are written for the command line: "--force" in one becomes 'force', the parameter of the
/// tool that stands for that option, and "--memory" 'memory_mib'.
[[nodiscard]] Error for_client(Error error, const std::vector<std::string>& parameters);

/// A tool whose work is a job.
template <Shaped Arguments, Shaped Record>
requires std::derived_from<Arguments, Waiting>
[[nodiscard]] Tool job_tool(ToolInfo info,
                            std::function<Result<Told<Record>>(Job&, const Arguments&)> run) {
    return {.info = std::move(info),
            .input_schema = Arguments::shape().schema(false),
            .result_schema = Record::shape().schema(true),
            .prepare = [run = std::move(run)](const Json& json) -> Result<Prepared> {
                SLIPWAY_TRY(auto arguments, Arguments::shape().read(json, ""));
                auto wait = arguments.wait_seconds;
                return Prepared{
                    .work = [run, arguments = std::move(arguments)](Job& job) -> Result<Answer> {
                        auto told = run(job, arguments);
                        if (!told)
                            return fail(
                                for_client(std::move(told).error(), Arguments::shape().names()));
                        return answer_of(*std::move(told));
                    },
                    .wait_seconds = wait};
            }};
}

/// A tool that answers at once.
template <Shaped Arguments, Shaped Record>
[[nodiscard]] Tool quick_tool(ToolInfo info,
                              std::function<Result<Told<Record>>(const Arguments&)> run) {
    return {.info = std::move(info),
            .input_schema = Arguments::shape().schema(false),
            .result_schema = Record::shape().schema(true),
            .prepare = [run = std::move(run)](const Json& json) -> Result<Prepared> {
                SLIPWAY_TRY(auto arguments, Arguments::shape().read(json, ""));
                auto told = run(arguments);
                if (!told)
                    return fail(for_client(std::move(told).error(), Arguments::shape().names()));
                return Prepared{.answer = answer_of(*std::move(told))};
            }};
}

using Tools = std::vector<Tool>;

/// As tools/list tells it.
[[nodiscard]] Json describe(const Tool& tool);

/// Results of tools/call; none is longer than some 3,500 characters, under 1,000 tokens.
[[nodiscard]] Json result_of_answer(const Tool& tool, const Answer& answer);
[[nodiscard]] Json result_of_error(const Error& error);
/// How a job stands, with its answer or error once it has ended.
[[nodiscard]] Json result_of_job(const Job& job);

/// Shortens lists, maps and texts in a JSON value until it is written in so many characters, if
/// that can be; says whether anything was lost. What is shorter than 100 characters is never cut.
/// Which objects are maps, whose members may go, its schema tells.
bool shorten(Json& value, std::size_t most, const Json& schema = Json::object());
/// The beginning of a text.
[[nodiscard]] std::string shortened(std::string_view text, std::size_t most);

} // namespace slipway::mcp
