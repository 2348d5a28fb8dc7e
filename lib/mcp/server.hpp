// SPDX-License-Identifier: Apache-2.0
// The protocol: what each message of the client leads to. Knows nothing of descriptors.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "mcp/message.hpp"
#include "mcp/tool.hpp"

namespace slipway::mcp {

/// Revisions of the protocol that are spoken, newest first.
[[nodiscard]] const std::vector<std::string>& revisions();

/// One client's server. For one thread.
class Server {
public:
    /// `send` gets messages, which it writes in lines of their own. `log` gets what jobs say.
    Server(Tools tools, Jobs& jobs, std::function<void(const Json&)> send, Log log = {});

    /// Handles a line; nothing for one that was too long to be read.
    void take_line(std::optional<std::string_view> line);
    /// Answers calls whose jobs have ended or whose time is over, and tells progress and logs. To
    /// be called when a job has something new, and once a second while `is_waiting`.
    void tick();
    [[nodiscard]] bool is_waiting() const { return !calls_.empty(); }

private:
    /// Answers of a batch go together.
    struct Batch {
        std::size_t open = 0;
        Json answers = Json::array();
    };
    struct To {
        Json id;
        std::shared_ptr<Batch> batch; ///< null: none
    };
    /// A call of a tool that waits for a job.
    struct Call {
        To to;
        std::shared_ptr<Job> job;
        bool own = false; ///< the call started the job, and its cancellation stops it
        Clock::time_point begin;
        double wait_seconds = 0;
        Json progress_token; ///< null: none
        Clock::time_point progress_sent{};
        std::string step_sent{};
    };
    struct Later {}; ///< the answer comes by `tick`
    using Reply = std::variant<Json, Refusal, Later>;
    using Method = Reply (Server::*)(const Request&, const To&);

    void take_message(Json json, const std::shared_ptr<Batch>& batch);
    void take_batch(Json list);
    void take_request(const Request& request, const To& to);
    void take_notification(const Notification& notification);
    void answer(const To& to, Json message);
    void send_batch(Batch& batch);

    Reply initialize(const Request& request, const To& to);
    Reply ping(const Request& request, const To& to);
    Reply set_level(const Request& request, const To& to);
    Reply list_tools(const Request& request, const To& to);
    Reply call_tool(const Request& request, const To& to);
    Reply list_resources(const Request& request, const To& to);
    Reply list_templates(const Request& request, const To& to);
    Reply read_resource(const Request& request, const To& to);

    [[nodiscard]] static std::optional<Method> method_named(std::string_view name);
    Result<Call> begin_call(const Tool& tool, Prepared prepared);
    void cancel(const Json& id);
    void tell_progress(Call& call);
    void tell_log(const Job& job, const LogLine& line);
    bool finish(const Call& call);

    Tools tools_;
    Jobs& jobs_;
    std::function<void(const Json&)> send_;
    Log log_;
    std::string revision_; ///< "" before initialize
    Level level_ = Level::Warning;
    std::deque<Call> calls_;
};

} // namespace slipway::mcp
