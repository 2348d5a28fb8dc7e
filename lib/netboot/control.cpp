// SPDX-License-Identifier: Apache-2.0
#include "netboot/control.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "base/strings.hpp"
#include "boot/remote_protocol.hpp"
#include "http/identity.hpp"

namespace slipway::netboot {
namespace {

constexpr std::string_view machines_path = "/api/machines";
constexpr std::size_t largest_of_a_stranger = 64 << 10; // bytes: who it is, and how it is
constexpr auto json_type = "application/json", lines_type = "application/x-ndjson";
constexpr auto text_type = "text/plain; charset=utf-8";

std::string bearer_of(const http::Asked& asked) {
    constexpr std::string_view scheme = "Bearer ";
    auto found = asked.headers.find("authorization");
    return found != asked.headers.end() && found->second.starts_with(scheme)
               ? found->second.substr(scheme.size())
               : "";
}

http::Said said(const Json& json, int status = 200) {
    return {.status = status, .body = render_json(json) + "\n", .type = json_type};
}

int status_of(Code code) {
    switch (code) {
    case Code::InvalidArgument:
        return 400;
    case Code::Permission:
        return 403;
    case Code::NotFound:
        return 404;
    case Code::Busy:
        return 409;
    default:
        return 500;
    }
}
http::Said said(const Error& error) {
    return said(Json{{"error", error_to_json(error)}}, status_of(error.code));
}

} // namespace

void Control::serve_at(http::Server& server) {
    server.handle("/machine", [this](const http::Asked& asked, const http::Answer& answer) {
        answer_machine(asked, answer);
    });
    server.handle(std::string(machines_path),
                  [this](const http::Asked& asked, const http::Answer& answer) {
                      answer_operator(asked, answer);
                  });
    server.handle("/", [](const http::Asked& asked, const http::Answer& answer) {
        for (const auto& file : page_files())
            if (file.path == asked.path && asked.method == "GET")
                return answer.say({.body = std::string(file.body),
                                   .type = std::string(file.type),
                                   .headers = {{"Content-Security-Policy",
                                                "default-src 'self'; img-src 'self' blob:; "
                                                "frame-ancestors 'none'"},
                                               {"Referrer-Policy", "no-referrer"}}});
        answer.say({.status = 404, .body = "there is no such page\n"});
    });
    server.every(boot::remote_beat, [this] { beat(); });
}

// ---------------------------------------------------------------- machines

void Control::answer_machine(const http::Asked& asked, const http::Answer& answer) {
    auto* machine = machines_.with_session(bearer_of(asked));
    if ((machine == nullptr || !machine->is_approved) && asked.body.size() > largest_of_a_stranger)
        return answer.say({.status = 413, .body = "this is too much\n"});
    if (asked.path == boot::remote_enter && asked.method == "POST")
        return enter(asked, answer);
    if (machine == nullptr)
        return answer.say({.status = 401, .body = "no such session: enter again\n"});
    if (asked.path == boot::remote_orders && asked.method == "GET") {
        answer.begin(
            {.body = machine->is_approved ? "{\"approved\":true}\n" : "{}\n", .type = lines_type});
        machine->is_connected = true;
        listening_.insert_or_assign(machine->id, answer);
        return;
    }
    if (asked.method != "POST")
        return answer.say({.status = 405, .body = "POST, please\n"});
    if (asked.path == boot::remote_report)
        take_report(*machine, asked.body);
    else if (asked.path == boot::remote_screen)
        take_screen(*machine, asked);
    else if (asked.path == boot::remote_console) {
        machines_.take_console(*machine, asked.body);
        for (auto& watcher : watchers_)
            if (watcher.machine == machine->id && machine->is_approved)
                watcher.answer.add(asked.body);
    } else
        return answer.say({.status = 404, .body = "there is no such page\n"});
    answer.say(said(Json::object()));
}

void Control::enter(const http::Asked& asked, const http::Answer& answer) {
    auto request = parse_json(asked.body, "what the machine says");
    if (!request || !request->is_object())
        return answer.say({.status = 400, .body = "this is no JSON\n"});
    if (!request->contains("challenge"))
        return answer.say(said({{"challenge", machines_.challenge()}}));
    auto machine = machines_.enter(*request, asked.peer);
    if (!machine) {
        options_.on_event(
            fmt::format("{} may not enter: {}", asked.peer, render_line(machine.error())));
        return answer.say(said(machine.error()));
    }
    disconnect(**machine);
    options_.on_event(fmt::format("{} is the machine {}{}", asked.peer, (*machine)->id,
                                  (*machine)->is_approved ? "" : ", which waits to be approved"));
    answer.say(said({{"session", (*machine)->session}, {"approved", (*machine)->is_approved}}));
}

void Control::take_report(Machine& machine, const std::string& body) {
    auto report = parse_json(body, "a report");
    if (!report || !report->is_object())
        return;
    if (const auto& state = json_at(*report, "state"); state.is_object())
        machine.now = state;
    const auto& lines = json_at(*report, "lines");
    machines_.take_lines(machine, lines);
    if (lines.is_array())
        for (auto& [number, waiting] : waiting_)
            if (waiting.machine == machine.id && waiting.is_stream)
                for (const auto& line : lines)
                    waiting.answer.add(render_json({{"line", line}}) + "\n");
    if (const auto& answers = json_at(*report, "answers"); answers.is_array())
        for (const auto& outcome : answers)
            settle(machine, outcome);
}

// What a machine has come to, for the operator who waits.
void Control::settle(Machine& machine, const Json& outcome) {
    auto found = waiting_.find(json_get<Number>(outcome, "order"));
    if (found == waiting_.end() || found->second.machine != machine.id)
        return;
    auto waiting = std::move(found->second);
    waiting_.erase(found);
    const auto& error = json_at(outcome, "error");
    if (!waiting.is_stream)
        return waiting.answer.say(said(error_from_json(error)));
    Json last = error.is_object() ? Json{{"error", error}}
                                  : Json{{"done", json_get<std::string>(outcome, "text")}};
    waiting.answer.add(render_json(last) + "\n");
    waiting.answer.end();
}

void Control::take_screen(Machine& machine, const http::Asked& asked) {
    auto order = asked.query.find("order");
    auto number = order == asked.query.end() ? std::nullopt : parse_number(order->second);
    auto found = waiting_.find(number.value_or(0));
    if (found == waiting_.end() || found->second.machine != machine.id || found->second.is_stream)
        return;
    auto type = asked.headers.find("content-type");
    bool is_picture = type != asked.headers.end() && type->second == "image/png";
    found->second.answer.say({.body = asked.body, .type = is_picture ? "image/png" : text_type});
    waiting_.erase(found);
}

void Control::disconnect(Machine& machine) {
    machine.is_connected = false;
    listening_.erase(machine.id);
    Error gone{.code = Code::Busy, .what = "the machine has gone"};
    for (auto each = waiting_.begin(); each != waiting_.end();) {
        if (each->second.machine == machine.id) {
            settle(machine, {{"order", (each++)->first}, {"error", error_to_json(gone)}});
        } else
            ++each;
    }
}

// Whether somebody is there is found out by speaking.
void Control::beat() {
    for (auto* machine : machines_.list()) {
        auto found = listening_.find(machine->id);
        if (found == listening_.end())
            continue;
        found->second.add("{}\n");
        if (!found->second.is_open()) {
            options_.on_event(fmt::format("the machine {} has gone", machine->id));
            disconnect(*machine);
        }
    }
    for (auto& [number, waiting] : waiting_)
        if (waiting.is_stream)
            waiting.answer.add("{}\n");
    std::erase_if(watchers_, [](const Watcher& each) { return !each.answer.is_open(); });
    machines_.expire();
}

// ---------------------------------------------------------------- operators

void Control::answer_operator(const http::Asked& asked, const http::Answer& answer) {
    if (!http::is_same_secret(bearer_of(asked), options_.token))
        return answer.say(said({.code = Code::Permission,
                                .what = "this is not the operator's token",
                                .hint = "`slipway netboot serve` has put it into its state "
                                        "directory"}));
    auto rest = asked.path.substr(machines_path.size());
    if (rest.empty()) {
        auto all = Json::array();
        for (const auto* machine : machines_.list())
            all.push_back(to_json(*machine));
        return answer.say(said({{"machines", all}}));
    }
    auto parts = split(std::string_view(rest).substr(1), '/');
    auto machine = machines_.find(std::string(parts.at(0)));
    if (!machine)
        return answer.say(said(machine.error()));
    act(**machine, fmt::format("{} {}", asked.method, parts.size() > 1 ? parts[1] : ""), asked,
        answer);
}

void Control::act(Machine& machine, const std::string& what, const http::Asked& asked,
                  const http::Answer& answer) {
    if (what == "GET ")
        return answer.say(said(to_json(machine)));
    if (what == "DELETE ") {
        disconnect(machine);
        machines_.forget(machine.id);
        return answer.say(said(Json::object()));
    }
    if (what == "POST approve") {
        machines_.approve(machine);
        std::ignore = order(machine, {{"approved", true}});
        options_.on_event(fmt::format("the machine {} was approved", machine.id));
        return answer.say(said(to_json(machine)));
    }
    if (!machine.is_approved)
        return answer.say(said({.code = Code::Permission,
                                .what = fmt::format("the machine {} was not approved", machine.id),
                                .hint = "see that its console shows the same number, then "
                                        "slipway netboot approve " +
                                        machine.id}));
    if (what == "GET log")
        return answer.say({.body = join({machine.lines.begin(), machine.lines.end()}, "\n") + "\n",
                           .type = text_type});
    if (what == "GET console") {
        answer.begin({.body = machine.console, .type = "application/octet-stream"});
        if (asked.query.contains("once"))
            return answer.end();
        return watchers_.push_back({.machine = machine.id, .answer = answer});
    }
    if (what == "GET screen")
        return wait_for(machine, {{"screen", true}}, answer, false);
    if (what == "POST keys") {
        auto sent = order(
            machine, {{"keys", to_hex(reinterpret_cast<const unsigned char*>(asked.body.data()),
                                      asked.body.size())}});
        return answer.say(sent ? said(Json::object()) : said(sent.error()));
    }
    if (what == "POST command") {
        auto body = parse_json(asked.body, "the command");
        auto line = body ? json_get<std::string>(*body, "line") : "";
        if (line.empty() || line.find('\n') != std::string::npos || printable(line) != line)
            return answer.say(
                said({.code = Code::InvalidArgument, .what = "no command was given"}));
        options_.on_event(fmt::format("{} for the machine {}", line, machine.id));
        return wait_for(machine, {{"command", line}}, answer, true);
    }
    answer.say(said({.code = Code::NotFound, .what = "there is no such page"}));
}

Status Control::order(Machine& machine, Json order) {
    auto found = listening_.find(machine.id);
    if (found == listening_.end())
        return fail(Code::Busy, fmt::format("the machine {} is not connected", machine.id),
                    "it was switched off, or its network is gone; it comes back by itself");
    found->second.add(render_json(order) + "\n");
    return {};
}

void Control::wait_for(Machine& machine, Json order, const http::Answer& answer, bool is_stream) {
    order["order"] = ++last_order_;
    if (auto sent = this->order(machine, order); !sent)
        return answer.say(said(sent.error()));
    if (is_stream)
        answer.begin({.body = "{}\n", .type = lines_type});
    waiting_.emplace(last_order_, Waiting{machine.id, answer, is_stream});
}

} // namespace slipway::netboot
