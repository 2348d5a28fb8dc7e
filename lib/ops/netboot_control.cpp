// SPDX-License-Identifier: Apache-2.0
#include "ops/netboot_control.hpp"

#include <filesystem>

#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>

#include "base/strings.hpp"
#include "http/client.hpp"
#include "http/identity.hpp"
#include "ops/netboot.hpp"
#include "sys/directories.hpp"
#include "sys/output_file.hpp"

namespace slipway::ops {
namespace {

constexpr auto token_name = "token", approved_name = "approved.json", listens_name = "control.json";
constexpr auto own_certificate_name = "slipway netboot";
// A console may be silent for long; connections of machines have signs of life of their own.
constexpr std::chrono::hours idle_connection{24};
constexpr std::size_t largest_file = 1 << 20;
constexpr std::size_t largest_answer = 32 << 20; // bytes: a screen of 3840 × 2160, as it is

std::string encoded(std::string_view text) {
    std::string out;
    for (char byte : text) {
        bool is_plain = (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
                        (byte >= '0' && byte <= '9') || byte == '-' || byte == '_';
        out += is_plain ? std::string(1, byte)
                        : fmt::format("%{:02X}", static_cast<unsigned char>(byte));
    }
    return out;
}

// One who asks a server.
class Asker {
public:
    static Result<Asker> open(const NetbootOperator& as) {
        SLIPWAY_TRY(auto place, ControlPlace::at(as.state));
        auto server = as.server;
        if (server.empty())
            server = json_get<std::string>(place.read(listens_name), "url");
        auto token = place.token();
        if (server.empty() || !token)
            return fail(Code::NotFound,
                        fmt::format("no server of machines has run with the files of {}",
                                    place.directory()),
                        "slipway netboot build --server URL, and slipway netboot serve; or name "
                        "its directory with --state");
        SLIPWAY_TRY(auto url, http::parse_url(server));
        if (!url.secure)
            return fail(Code::InvalidArgument,
                        fmt::format("{}: the server of machines speaks https", url.str()));
        SLIPWAY_TRY(auto client,
                    http::Client::open({.pinned = place.certificate(), .idle = idle_connection}));
        return Asker(std::move(client), std::move(url), std::move(*token));
    }

    Status ask(const std::string& method, const std::string& path, const std::string& body,
               const http::Sink& sink, const Cancel& cancel) {
        SLIPWAY_TRY(auto url, http::resolve_url(url_, "/api/machines" + path));
        http::Request request{.url = url, .method = method, .body = body};
        request.headers["Authorization"] = "Bearer " + token_;
        std::string error;
        request.on_error_body = [&error](std::string_view piece) { error += piece; };
        auto response = client_.exchange(request, sink, cancel);
        if (!response && response.error().code == Code::NotFound)
            return fail(
                std::move(response.error()).advise("is `slipway netboot serve` running there?"));
        if (!response)
            return fail(std::move(response.error()));
        if (response->status / 100 == 2)
            return {};
        auto json = parse_json(error, "the answer");
        if (json && json_at(*json, "error").is_object())
            return fail(error_from_json(json_at(*json, "error")));
        return fail(Code::Protocol, fmt::format("{}: {}", url.str(), response->status));
    }
    Result<std::string> ask(const std::string& method, const std::string& path,
                            const Cancel& cancel) {
        std::string said;
        SLIPWAY_CHECK(ask(
            method, path, "",
            [&said](std::string_view piece) -> Status {
                said += piece;
                return said.size() > largest_answer ? fail(Code::Protocol, "the answer is too long")
                                                    : Status();
            },
            cancel));
        return said;
    }
    Result<Json> ask_json(const std::string& method, const std::string& path,
                          const Cancel& cancel) {
        SLIPWAY_TRY(auto said, ask(method, path, cancel));
        return parse_json(said, "what the server says");
    }

private:
    Asker(http::Client client, http::Url url, std::string token)
        : client_(std::move(client)), url_(std::move(url)), token_(std::move(token)) {}
    http::Client client_;
    http::Url url_;
    std::string token_;
};

} // namespace

Result<ControlPlace> ControlPlace::at(const std::string& directory) {
    if (!directory.empty())
        return ControlPlace(directory);
    SLIPWAY_TRY(auto own, sys::user_directory("XDG_DATA_HOME", ".local/share", "netboot"));
    return ControlPlace(own);
}

std::string ControlPlace::path(std::string_view name) const {
    return fmt::format("{}/{}", directory_, name);
}

Status ControlPlace::prepare() const {
    SLIPWAY_CHECK(sys::make_directories(directory_));
    if (::chmod(directory_.c_str(), 0700) != 0)
        return fail_errno(fmt::format("keeping {} to its user", directory_));
    if (::access(key().c_str(), F_OK) != 0) {
        SLIPWAY_TRY(auto made, http::make_certificate(own_certificate_name));
        SLIPWAY_CHECK(write("server.pem", made.certificate));
        SLIPWAY_CHECK(write("server.key", made.key)); // last: with it all is there
    }
    if (::access(path(token_name).c_str(), F_OK) != 0)
        return write(token_name, http::make_token() + "\n");
    return {};
}

Result<std::string> ControlPlace::token() const {
    SLIPWAY_TRY(auto text, sys::read_file(path(token_name), largest_file));
    return std::string(trim(text));
}

Json ControlPlace::read(const std::string& name) const {
    auto text = sys::read_file(path(name), largest_file);
    return parse_json(text.value_or("{}"), name).value_or(Json::object());
}

Status ControlPlace::write(const std::string& name, std::string_view content) const {
    SLIPWAY_TRY(auto file, sys::OutputFile::create(path(name), {.replace = true, .mode = 0600}));
    SLIPWAY_CHECK(sys::write_all(file.fd(), content));
    return file.publish();
}

Result<std::unique_ptr<ControlServer>> ControlServer::open(const ServeControlRequest& request,
                                                           const http::Server& beside) {
    SLIPWAY_TRY(auto place, ControlPlace::at(request.state));
    SLIPWAY_CHECK(place.prepare());
    SLIPWAY_TRY(auto token, place.token());
    SLIPWAY_TRY(auto server, http::Server::open({.address = request.address,
                                                 .port = request.port,
                                                 .certificate = place.certificate(),
                                                 .key = place.key(),
                                                 .idle = idle_connection,
                                                 .largest_body = largest_answer},
                                                &beside));
    std::unique_ptr<ControlServer> made(new ControlServer(std::move(place), std::move(server)));
    netboot::Control::Options options{
        .machines = {.approved = {}, .approve_all = request.approve_all}, .token = token};
    auto approved = made->place_.read(approved_name);
    for (const auto& id : json_at(approved, "approved"))
        if (id.is_string())
            options.machines.approved.insert(id.get<std::string>());
    options.machines.on_approved = [told = request.on_event,
                                    place = made->place_](const std::set<std::string>& ids) {
        if (auto kept = place.write(approved_name, render_json({{"approved", ids}})); !kept && told)
            told(render_line(kept.error()));
    };
    if (request.on_event)
        options.on_event = request.on_event;
    made->control_ = std::make_unique<netboot::Control>(std::move(options));
    made->control_->serve_at(made->server_);
    made->url_ =
        fmt::format("https://{}:{}/", request.address == "0.0.0.0" ? "127.0.0.1" : request.address,
                    made->server_.port());
    SLIPWAY_CHECK(made->place_.write(listens_name, render_json({{"url", made->url_}})));
    return made;
}

Result<Json> netboot_machines(const Context& context, const NetbootOperator& as,
                              const std::string& machine) {
    SLIPWAY_TRY(auto asker, Asker::open(as));
    return asker.ask_json("GET", machine.empty() ? "" : "/" + encoded(machine),
                          context.host.cancel);
}

Status approve_netboot_machine(const Context& context, const NetbootOperator& as,
                               const std::string& machine) {
    SLIPWAY_TRY(auto asker, Asker::open(as));
    SLIPWAY_TRY(auto now, asker.ask("POST", fmt::format("/{}/approve", encoded(machine)),
                                    context.host.cancel));
    return {};
}

Status forget_netboot_machine(const Context& context, const NetbootOperator& as,
                              const std::string& machine) {
    SLIPWAY_TRY(auto asker, Asker::open(as));
    SLIPWAY_TRY(auto said, asker.ask("DELETE", "/" + encoded(machine), context.host.cancel));
    return {};
}

Result<std::string>
command_netboot_machine(const Context& context, const NetbootOperator& as,
                        const std::string& machine, const std::string& line,
                        const std::function<void(const std::string&)>& on_line) {
    SLIPWAY_TRY(auto asker, Asker::open(as));
    std::string part;
    std::optional<Result<std::string>> outcome;
    auto take = [&](std::string_view piece) -> Status {
        part += piece;
        for (auto end = part.find('\n'); end != std::string::npos; end = part.find('\n')) {
            SLIPWAY_TRY(auto said, parse_json(part.substr(0, end), "what the server says"));
            part.erase(0, end + 1);
            if (said.contains("line") && on_line)
                on_line(json_get<std::string>(said, "line"));
            if (said.contains("done"))
                outcome = json_get<std::string>(said, "done");
            if (said.contains("error"))
                outcome = Result<std::string>(fail(error_from_json(json_at(said, "error"))));
        }
        return {};
    };
    SLIPWAY_CHECK(asker.ask("POST", fmt::format("/{}/command", encoded(machine)),
                            render_json({{"line", line}}), take, context.host.cancel));
    if (!outcome)
        return fail(Code::Protocol, "the server has ended before the machine came to an end",
                    "slipway netboot machines tells what it does");
    return std::move(*outcome);
}

Result<std::string> netboot_log(const Context& context, const NetbootOperator& as,
                                const std::string& machine) {
    SLIPWAY_TRY(auto asker, Asker::open(as));
    return asker.ask("GET", fmt::format("/{}/log", encoded(machine)), context.host.cancel);
}

Status watch_netboot_console(const NetbootOperator& as, const std::string& machine,
                             const std::function<Status(std::string_view)>& sink, bool once,
                             const Cancel& cancel) {
    SLIPWAY_TRY(auto asker, Asker::open(as));
    return asker.ask("GET", fmt::format("/{}/console{}", encoded(machine), once ? "?once=1" : ""), "",
                     sink, cancel);
}

Status type_at_netboot_console(const NetbootOperator& as, const std::string& machine,
                               std::string_view keys, const Cancel& cancel) {
    SLIPWAY_TRY(auto asker, Asker::open(as));
    return asker.ask("POST", fmt::format("/{}/keys", encoded(machine)), std::string(keys), {},
                     cancel);
}

} // namespace slipway::ops
