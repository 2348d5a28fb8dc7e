// SPDX-License-Identifier: Apache-2.0
#include "mcp/server.hpp"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "base/excerpt.hpp"
#include "base/strings.hpp"

namespace slipway::mcp {
namespace {

constexpr std::string_view with_batches = "2025-03-26"; ///< the only one that has them
constexpr std::size_t shown_name = 80;

} // namespace

const std::vector<std::string>& revisions() {
    static const std::vector<std::string> all{"2025-11-25", "2025-06-18", "2025-03-26",
                                              "2024-11-05"};
    return all;
}

Server::Server(Tools tools, Jobs& jobs, std::function<void(const Json&)> send, Log log)
    : tools_(std::move(tools)), jobs_(jobs), send_(std::move(send)), log_(std::move(log)) {}

std::optional<Server::Method> Server::method_named(std::string_view name) {
    struct Row {
        std::string_view name;
        Method method;
    };
    static constexpr std::array methods{
        Row{"initialize", &Server::initialize},
        Row{"ping", &Server::ping},
        Row{"logging/setLevel", &Server::set_level},
        Row{"tools/list", &Server::list_tools},
        Row{"tools/call", &Server::call_tool},
        Row{"resources/list", &Server::list_resources},
        Row{"resources/templates/list", &Server::list_templates},
        Row{"resources/read", &Server::read_resource},
    };
    for (const auto& row : methods)
        if (row.name == name)
            return row.method;
    return std::nullopt;
}

void Server::take_line(std::optional<std::string_view> line) {
    if (!line) {
        send_(error_message(
            nullptr, {json_rpc::parse_error,
                      fmt::format("parse error: a line of more than {} bytes", longest_line)}));
        return;
    }
    if (trim(*line).empty())
        return;
    auto json = parse_line(*line);
    if (!json)
        send_(error_message(nullptr, json.error()));
    else if (json->is_array())
        take_batch(std::move(*json));
    else
        take_message(std::move(*json), nullptr);
}

void Server::take_batch(Json list) {
    if (revision_ != with_batches || list.empty()) {
        auto why = list.empty() ? std::string("an empty batch")
                                : fmt::format("batches are of revision {} only", with_batches);
        send_(error_message(nullptr, {json_rpc::invalid_request, "invalid request: " + why}));
        return;
    }
    auto batch = std::make_shared<Batch>();
    batch->open = 1; // until all were looked at
    for (auto& each : list)
        take_message(std::move(each), batch);
    --batch->open;
    send_batch(*batch);
}

void Server::send_batch(Batch& batch) {
    if (batch.open == 0 && !batch.answers.empty())
        send_(std::exchange(batch.answers, Json::array()));
}

void Server::answer(const To& to, Json message) {
    if (!to.batch) {
        send_(message);
        return;
    }
    to.batch->answers.push_back(std::move(message));
    --to.batch->open;
    send_batch(*to.batch);
}

void Server::take_message(Json json, const std::shared_ptr<Batch>& batch) {
    auto message = read_message(std::move(json));
    if (const auto* notification = std::get_if<Notification>(&message))
        return take_notification(*notification);
    if (std::holds_alternative<PeerAnswer>(message))
        return;
    if (batch)
        ++batch->open;
    if (const auto* malformed = std::get_if<Malformed>(&message))
        return answer({malformed->id, batch}, error_message(malformed->id, malformed->refusal));
    const auto& request = std::get<Request>(message);
    take_request(request, {request.id, batch});
}

void Server::take_request(const Request& request, const To& to) {
    auto method = method_named(request.method);
    auto refuse = [&](int code, std::string why) {
        answer(to, error_message(to.id, {code, std::move(why)}));
    };
    auto in_use = [&](const Call& call) { return call.to.id == request.id; };
    bool begins = request.method == "initialize";
    if (!method)
        return refuse(
            json_rpc::method_not_found,
            fmt::format("method not found: {}", printable(excerpt(request.method, shown_name))));
    if (revision_.empty() && !begins && request.method != "ping")
        return refuse(json_rpc::invalid_request, "invalid request: initialize comes first");
    if (begins && (!revision_.empty() || to.batch))
        return refuse(json_rpc::invalid_request,
                      "invalid request: initialize comes once, and alone");
    if (std::any_of(calls_.begin(), calls_.end(), in_use))
        return refuse(json_rpc::invalid_request,
                      "invalid request: the id is that of a call that has not ended");
    auto reply = (this->*(*method))(request, to);
    if (const auto* refusal = std::get_if<Refusal>(&reply))
        answer(to, error_message(to.id, *refusal));
    else if (auto* result = std::get_if<Json>(&reply))
        answer(to, result_message(to.id, std::move(*result)));
}

void Server::take_notification(const Notification& notification) {
    if (notification.method == "notifications/cancelled")
        cancel(json_at(notification.params, "requestId"));
}

// Whoever cancels wants no answer.
void Server::cancel(const Json& id) {
    auto found = std::find_if(calls_.begin(), calls_.end(),
                              [&](const Call& call) { return call.to.id == id; });
    if (found == calls_.end())
        return;
    if (found->own)
        found->job->cancel();
    auto batch = found->to.batch;
    calls_.erase(found);
    if (batch) {
        --batch->open;
        send_batch(*batch);
    }
}

Server::Reply Server::initialize(const Request& request, const To&) {
    const auto& wanted = json_at(request.params, "protocolVersion");
    if (!wanted.is_string())
        return Refusal{json_rpc::invalid_params, "'protocolVersion' is missing or no text"};
    const auto& known = revisions();
    auto same = std::find(known.begin(), known.end(), wanted.get<std::string>());
    revision_ = same == known.end() ? known.front() : *same;
    return Json{
        {"protocolVersion", revision_},
        {"capabilities",
         {{"tools", Json::object()}, {"resources", Json::object()}, {"logging", Json::object()}}},
        {"serverInfo", {{"name", "slipway"}, {"title", "Slipway"}, {"version", SLIPWAY_VERSION}}},
        {"instructions",
         "Opens, repairs and boots disk images of operating systems, makes test roots, and tests "
         "kernels in virtual machines. Long work goes on as a job: when a call returns with state "
         "'running', ask job_result with its job_id. A reply is short; the full log or report of a "
         "job is read page by page with job_read, or as a resource slipway://job/ID/NAME. An image "
         "is changed by apply_fix only with the plan_id of plan_fix."}};
}

Server::Reply Server::ping(const Request&, const To&) {
    return Json::object();
}

Server::Reply Server::set_level(const Request& request, const To&) {
    static const std::vector<std::string> levels{"debug", "info",     "notice", "warning",
                                                 "error", "critical", "alert",  "emergency"};
    auto wanted = json_get<std::string>(request.params, "level");
    auto found = std::find(levels.begin(), levels.end(), wanted);
    if (found == levels.end())
        return Refusal{json_rpc::invalid_params, "'level' is one of " + join(levels, ", ")};
    level_ = found == levels.begin()      ? Level::Debug
             : found < levels.begin() + 3 ? Level::Info
                                          : Level::Warning;
    return Json::object();
}

Server::Reply Server::list_tools(const Request& request, const To&) {
    if (request.params.contains("cursor"))
        return Refusal{json_rpc::invalid_params, "unknown cursor: the list has one page"};
    auto list = Json::array();
    for (const auto& tool : tools_)
        list.push_back(describe(tool));
    return Json{{"tools", std::move(list)}};
}

Server::Reply Server::call_tool(const Request& request, const To& to) {
    const auto& name = json_at(request.params, "name");
    if (!name.is_string())
        return Refusal{json_rpc::invalid_params, "'name' is missing or no text"};
    auto tool = std::find_if(tools_.begin(), tools_.end(), [&](const Tool& each) {
        return each.info.name == name.get<std::string>();
    });
    if (tool == tools_.end())
        return Refusal{json_rpc::invalid_params,
                       fmt::format("unknown tool: {}",
                                   printable(excerpt(name.get<std::string>(), shown_name)))};
    auto arguments = request.params.contains("arguments") ? json_at(request.params, "arguments")
                                                          : Json::object();
    if (!arguments.is_object())
        return Refusal{json_rpc::invalid_params, "'arguments' is no object"};
    // Wrong arguments are an error of the tool: so models get to see them.
    auto prepared = tool->prepare(arguments);
    if (!prepared)
        return result_of_error(prepared.error());
    if (prepared->answer)
        return result_of_answer(*tool, *prepared->answer);
    auto call = begin_call(*tool, std::move(*prepared));
    if (!call)
        return result_of_error(call.error());
    call->to = to;
    if (const auto& token = json_at(json_at(request.params, "_meta"), "progressToken");
        token.is_string() || token.is_number())
        call->progress_token = token;
    if (call->wait_seconds <= 0)
        return result_of_job(*call->job);
    calls_.push_back(std::move(*call));
    return Later{};
}

Result<Server::Call> Server::begin_call(const Tool& tool, Prepared prepared) {
    Call call{
        .own = prepared.job.empty(), .begin = Clock::now(), .wait_seconds = prepared.wait_seconds};
    if (call.own) {
        SLIPWAY_TRY(call.job, jobs_.start(tool.info.name, std::move(prepared.work)));
        log_.debug("{}, job {}, begins", tool.info.name, call.job->id());
    } else {
        SLIPWAY_TRY(call.job, jobs_.find(prepared.job));
    }
    return call;
}

bool Server::finish(const Call& call) {
    if (call.job->is_running() && seconds_since(call.begin) < call.wait_seconds)
        return false;
    answer(call.to, result_message(call.to.id, result_of_job(*call.job)));
    return true;
}

void Server::tell_progress(Call& call) {
    // Also without news, so that the client sees that work goes on.
    constexpr double pause = 0.5;
    constexpr double longest_pause = 5;
    if (call.progress_token.is_null() || !call.job->is_running())
        return;
    auto last = call.progress_sent == Clock::time_point{} ? call.begin : call.progress_sent;
    auto quiet = seconds_since(last);
    if (quiet < pause)
        return;
    auto status = call.job->status();
    if (quiet < longest_pause && status.step == call.step_sent)
        return;
    call.progress_sent = Clock::now();
    call.step_sent = status.step;
    // Steps differ in their units; seconds grow all the time, as the protocol wants it.
    Json params{{"progressToken", call.progress_token}, {"progress", seconds_since(call.begin)}};
    params["message"] = status.step.empty() ? call.job->tool() + " is running" : status.step;
    send_(notification_message("notifications/progress", std::move(params)));
}

void Server::tell_log(const Job& job, const LogLine& line) {
    auto who = fmt::format("{}, job {}", job.tool(), job.id());
    if (line.level == Level::Warning)
        log_.warning("{}: {}", who, line.text);
    else
        log_.info("{}: {}", who, line.text);
    if (line.level < level_)
        return;
    const auto* level = line.level == Level::Debug  ? "debug"
                        : line.level == Level::Info ? "info"
                                                    : "warning";
    send_(notification_message("notifications/message",
                               {{"level", level}, {"logger", who}, {"data", line.text}}));
}

void Server::tick() {
    for (const auto& job : jobs_.list())
        for (const auto& line : job->take_log())
            tell_log(*job, line);
    for (auto& call : calls_)
        tell_progress(call);
    auto waiting = std::exchange(calls_, {});
    for (auto& call : waiting)
        if (!finish(call))
            calls_.push_back(std::move(call));
}

} // namespace slipway::mcp
