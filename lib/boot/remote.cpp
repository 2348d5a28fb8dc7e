// SPDX-License-Identifier: Apache-2.0
#include "boot/remote.hpp"

#include <unistd.h>

#include <fmt/format.h>

#include "archive/digest.hpp"
#include "base/strings.hpp"
#include "boot/about.hpp"
#include "boot/remote_protocol.hpp"
#include "http/signature.hpp"
#include "loading/trust.hpp"

namespace slipway::boot {
namespace {

constexpr std::size_t digits = 16;
constexpr std::size_t most_lines = 500, most_console = 256 << 10, most_answer = 1 << 20;
constexpr std::chrono::milliseconds together{100}; // what comes within it goes in one request

std::string hex_decoded(std::string_view text) {
    std::string bytes;
    for (std::size_t at = 0; at + 2 <= text.size(); at += 2)
        bytes += static_cast<char>(std::stoi(std::string(text.substr(at, 2)), nullptr, 16));
    return bytes;
}

std::optional<Order> read_order(const Json& json) {
    Order order{.number = json_get<std::uint64_t>(json, "order")};
    auto keys = json_get<std::string>(json, "keys");
    if (json.contains("command"))
        order.text = json_get<std::string>(json, "command");
    else if (json.contains("screen"))
        order.kind = Order::Kind::Screen;
    else if (!keys.empty() && keys.find_first_not_of("0123456789abcdef") == std::string::npos) {
        order.kind = Order::Kind::Keys;
        order.text = hex_decoded(keys);
    } else
        return std::nullopt;
    return order;
}

} // namespace

std::string fingerprint_of(std::string_view public_key) {
    auto digest = archive::open_digest("sha256");
    if (!digest)
        return {};
    (*digest)->add(public_key);
    return (*digest)->finish().substr(0, digits);
}

Result<std::unique_ptr<Remote>> Remote::start(RemoteOptions options) {
    SLIPWAY_TRY(auto keys, http::make_key_pair());
    SLIPWAY_TRY(auto listening, http::Client::open(options.client));
    SLIPWAY_TRY(auto telling, http::Client::open(options.client));
    std::unique_ptr<Remote> remote(
        new Remote(std::move(options), std::move(keys), std::move(listening), std::move(telling)));
    remote->listener_ = std::thread([&self = *remote] { self.listen(); });
    remote->teller_ = std::thread([&self = *remote] { self.tell(); });
    return remote;
}

Result<std::unique_ptr<Remote>> Remote::start_for(const BootOptions& options) {
    SLIPWAY_TRY(auto server, http::parse_url(options.server));
    if (!server.secure)
        return fail(Code::InvalidArgument,
                    fmt::format("slipway.server={}: remote control is by https", server.str()),
                    "give the address that `slipway netboot serve` tells");
    SLIPWAY_TRY(auto trust, loading::read_trust("/etc/slipway"));
    http::ClientOptions client{.ca_file = trust.ca_file, .idle = 4 * remote_beat};
    if (::access(server_certificate, R_OK) == 0)
        client.pinned = server_certificate;
    return start({.server = server, .client = client, .machine = about_machine()});
}

Remote::Remote(RemoteOptions options, http::KeyPair keys, http::Client listening,
               http::Client telling)
    : options_(std::move(options)), keys_(std::move(keys)),
      fingerprint_(fingerprint_of(keys_.public_key)), listening_(std::move(listening)),
      telling_(std::move(telling)) {}

Remote::~Remote() {
    cancel_.request();
    something_.notify_all();
    listener_.join();
    teller_.join();
}

std::vector<Order> Remote::take_orders() {
    std::lock_guard guard(lock_);
    return std::exchange(orders_, {});
}
std::vector<std::string> Remote::take_news() {
    std::lock_guard guard(lock_);
    return std::exchange(news_, {});
}
void Remote::tell_state(Json state) {
    std::lock_guard guard(lock_);
    is_state_new_ = is_state_new_ || state != state_;
    state_ = std::move(state);
    something_.notify_all();
}
void Remote::tell_line(std::string line) {
    std::lock_guard guard(lock_);
    lines_.push_back(std::move(line));
    if (lines_.size() > most_lines)
        lines_.pop_front();
    something_.notify_all();
}
void Remote::tell_console(std::string_view bytes) {
    std::lock_guard guard(lock_);
    console_ += bytes;
    if (console_.size() > most_console)
        console_.erase(0, console_.size() - most_console);
    something_.notify_all();
}
void Remote::answer(OrderNumber order, const std::optional<Error>& error, const std::string& text) {
    std::lock_guard guard(lock_);
    answers_.push_back(
        {{"order", order}, {"error", error ? error_to_json(*error) : Json()}, {"text", text}});
    something_.notify_all();
}
void Remote::show(OrderNumber order, ScreenView view) {
    std::lock_guard guard(lock_);
    views_.emplace_back(order, std::move(view));
    something_.notify_all();
}

void Remote::news(const std::string& text) {
    std::lock_guard guard(lock_);
    if (text != last_news_)
        news_.push_back("remote control: " + text);
    last_news_ = text;
}
std::string Remote::session() {
    std::lock_guard guard(lock_);
    return session_;
}
void Remote::set_session(std::string session) {
    std::lock_guard guard(lock_);
    session_ = std::move(session);
    is_state_new_ = true; // a server that has begun anew knows nothing
    something_.notify_all();
}

Result<Json> Remote::post(http::Client& client, std::string_view path, const std::string& body,
                          const std::string& type) {
    SLIPWAY_TRY(auto url, http::resolve_url(options_.server, std::string(path)));
    std::string said;
    http::Request request{.url = url, .method = "POST", .body = body};
    request.headers["Content-Type"] = type;
    if (auto known = session(); !known.empty())
        request.headers["Authorization"] = "Bearer " + known;
    auto take = [&said](std::string_view piece) -> Status {
        said += piece;
        return said.size() > most_answer ? fail(Code::Protocol, "the answer is too long")
                                         : Status();
    };
    SLIPWAY_TRY(auto response, client.exchange(request, take, cancel_));
    if (response.status == 401)
        set_session(""); // the server was started again
    if (response.status / 100 != 2)
        return fail(Code::Protocol,
                    fmt::format("{}: the server says {}", url.str(), response.status));
    return parse_json(said, url.str());
}

// A session of our own, by the key.
Status Remote::enter() {
    Json request{{"key", keys_.public_key}};
    set_session("");
    SLIPWAY_TRY(auto first, post(listening_, remote_enter, render_json(request)));
    auto challenge = json_get<std::string>(first, "challenge");
    SLIPWAY_TRY(auto signature, http::sign(challenge_text(challenge), keys_.private_key));
    request["challenge"] = challenge;
    request["signature"] =
        to_hex(reinterpret_cast<const unsigned char*>(signature.data()), signature.size());
    request["machine"] = options_.machine;
    SLIPWAY_TRY(auto second, post(listening_, remote_enter, render_json(request)));
    bool approved = json_get<bool>(second, "approved");
    {
        std::lock_guard guard(lock_);
        is_approved_ = approved;
    }
    set_session(json_get<std::string>(second, "session"));
    news(approved
             ? fmt::format("{} knows this machine as {}", options_.server.authority(), fingerprint_)
             : fmt::format("this machine is {} and waits to be approved at {}: "
                           "slipway netboot approve {}",
                           fingerprint_, options_.server.authority(), fingerprint_));
    return {};
}

Status Remote::take_line(std::string_view line) {
    SLIPWAY_TRY(auto json, parse_json(line, "an order"));
    std::lock_guard guard(lock_);
    if (json_get<bool>(json, "approved") && !is_approved_) {
        is_approved_ = true;
        news_.emplace_back("remote control: this machine was approved");
    }
    if (auto order = read_order(json); order && is_approved_)
        orders_.push_back(std::move(*order));
    return {};
}

Status Remote::attend() {
    SLIPWAY_CHECK(enter());
    SLIPWAY_TRY(auto url, http::resolve_url(options_.server, std::string(remote_orders)));
    http::Request request{.url = url};
    request.headers["Authorization"] = "Bearer " + session();
    std::string part;
    auto take = [&](std::string_view piece) -> Status {
        part += piece;
        if (part.size() > most_answer)
            return fail(Code::Protocol, "an order is too long");
        for (auto end = part.find('\n'); end != std::string::npos; end = part.find('\n')) {
            SLIPWAY_CHECK(take_line(std::string_view(part).substr(0, end)));
            part.erase(0, end + 1);
        }
        return {};
    };
    SLIPWAY_TRY(auto response, listening_.exchange(request, take, cancel_));
    return fail(Code::Protocol, response.status == 200
                                    ? std::string("the server has ended the connection")
                                    : fmt::format("the server says {}", response.status));
}

void Remote::listen() {
    while (!cancel_.requested()) {
        if (auto done = attend(); !done && !cancel_.requested())
            news(render_line(done.error()));
        set_session("");
        std::unique_lock guard(lock_);
        something_.wait_for(guard, options_.pause, [this] { return cancel_.requested(); });
    }
}

Status Remote::tell_what_waits() {
    Json report = Json::object();
    std::string console;
    std::deque<std::pair<OrderNumber, ScreenView>> views;
    std::deque<std::string> lines;
    {
        std::lock_guard guard(lock_);
        is_state_new_ = false;
        lines.swap(lines_);
        report = {{"state", state_},
                  {"lines", lines},
                  {"answers", std::exchange(answers_, Json::array())}};
        console.swap(console_);
        views.swap(views_);
    }
    auto told = post(telling_, remote_report, render_json(report));
    if (!told) { // it waits for the server, but the states between are of no use
        std::lock_guard guard(lock_);
        lines_.insert(lines_.begin(), lines.begin(), lines.end());
        for (auto& each : answers_)
            report["answers"].push_back(each);
        answers_ = report["answers"];
        console_.insert(0, console);
        return fail(std::move(told.error()));
    }
    if (!console.empty()) {
        SLIPWAY_TRY(auto taken,
                    post(telling_, remote_console, console, "application/octet-stream"));
    }
    for (const auto& [order, view] : views) {
        auto path = fmt::format("{}?order={}", remote_screen, order);
        SLIPWAY_TRY(auto taken, post(telling_, path, view.body, view.type));
    }
    return {};
}

void Remote::tell() {
    while (!cancel_.requested()) {
        {
            std::unique_lock guard(lock_);
            something_.wait_for(guard, remote_beat, [this] {
                bool has_something = is_state_new_ || !lines_.empty() || !answers_.empty() ||
                                     !console_.empty() || !views_.empty();
                return cancel_.requested() || (has_something && !session_.empty());
            });
            something_.wait_for(guard, together, [this] { return cancel_.requested(); });
        }
        if (session().empty())
            continue;
        if (auto told = tell_what_waits(); !told && !cancel_.requested()) {
            news(render_line(told.error()));
            std::unique_lock guard(lock_);
            something_.wait_for(guard, options_.pause, [this] { return cancel_.requested(); });
        }
    }
}

} // namespace slipway::boot
