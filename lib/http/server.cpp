// SPDX-License-Identifier: Apache-2.0
#include "http/server.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <utility>

#include <event2/bufferevent_ssl.h>
#include <event2/keyvalq_struct.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>

#include "base/strings.hpp"
#include "http/handles.hpp"

namespace slipway::http {
namespace {

using Http = std::unique_ptr<evhttp, Freed<evhttp_free>>;
constexpr timeval look_interval{0, 100'000}; // for requests to stop
constexpr ev_ssize_t largest_head = 64 << 10;

timeval as_timeval(std::chrono::milliseconds interval) {
    return {interval.count() / 1000, interval.count() % 1000 * 1000};
}

Result<SslContext> open_context(const ServerOptions& options) {
    SslContext context(SSL_CTX_new(TLS_server_method()));
    if (!context)
        return fail(Code::Internal, "making a TLS context");
    SSL_CTX_set_min_proto_version(context.get(), TLS1_2_VERSION);
    if (SSL_CTX_use_certificate_chain_file(context.get(), options.certificate.c_str()) != 1)
        return fail(Code::InvalidArgument,
                    fmt::format("the certificate {}: {}", options.certificate,
                                what_openssl_says(ERR_get_error())));
    if (SSL_CTX_use_PrivateKey_file(context.get(), options.key.c_str(), SSL_FILETYPE_PEM) != 1 ||
        SSL_CTX_check_private_key(context.get()) != 1)
        return fail(Code::InvalidArgument,
                    fmt::format("the key {}: {}", options.key, what_openssl_says(ERR_get_error())));
    return context;
}

std::string decoded(const char* text) {
    std::size_t size = 0;
    std::unique_ptr<char, Freed<std::free>> plain(evhttp_uridecode(text, 0, &size));
    return plain ? std::string(plain.get(), size) : "";
}

const char* name_of(evhttp_cmd_type command) {
    switch (command) {
    case EVHTTP_REQ_GET:
        return "GET";
    case EVHTTP_REQ_HEAD:
        return "HEAD";
    case EVHTTP_REQ_POST:
        return "POST";
    case EVHTTP_REQ_PUT:
        return "PUT";
    case EVHTTP_REQ_DELETE:
        return "DELETE";
    default:
        return "";
    }
}

bool is_below(std::string_view path, std::string_view prefix) {
    return path.starts_with(prefix) &&
           (path.size() == prefix.size() || prefix.ends_with('/') || path[prefix.size()] == '/');
}

// Nothing for what is no path of ours.
std::optional<Asked> read_request(evhttp_request* request) {
    Asked asked{.method = name_of(evhttp_request_get_command(request))};
    const auto* uri = evhttp_request_get_evhttp_uri(request);
    const char* path = evhttp_uri_get_path(uri);
    auto parsed = sys::GuestPath::parse(decoded(path == nullptr ? "/" : path));
    if (!parsed || asked.method.empty())
        return std::nullopt;
    asked.path = parsed->str();
    evkeyvalq fields{};
    if (const char* query = evhttp_uri_get_query(uri);
        query != nullptr && evhttp_parse_query_str(query, &fields) == 0) {
        for (const auto* each = fields.tqh_first; each != nullptr; each = each->next.tqe_next)
            asked.query[each->key] = each->value;
        evhttp_clear_headers(&fields);
    }
    const auto* headers = evhttp_request_get_input_headers(request);
    for (const auto* each = headers->tqh_first; each != nullptr; each = each->next.tqe_next)
        asked.headers[to_lower(each->key)] = each->value;
    auto* body = evhttp_request_get_input_buffer(request);
    asked.body.resize(evbuffer_get_length(body));
    evbuffer_remove(body, asked.body.data(), asked.body.size());
    char* address = nullptr;
    std::uint16_t port = 0;
    evhttp_connection_get_peer(evhttp_request_get_connection(request), &address, &port);
    asked.peer = address == nullptr ? "" : address;
    return asked;
}

} // namespace

// libevent keeps a request whose connection broke until something is said to it.
struct Answer::State {
    State(evhttp_request* asked, const std::function<void(const Served&)>& to_tell)
        : request(asked), told(to_tell) {}
    State(const State&) = delete;
    State& operator=(const State&) = delete;
    ~State() {
        if (request != nullptr && !has_begun)
            say({.status = 500, .body = "nobody answered\n"});
        else if (request != nullptr)
            end();
    }

    void set_headers(const Said& said) {
        served.status = said.status;
        auto* headers = evhttp_request_get_output_headers(request);
        evhttp_add_header(headers, "Content-Type", said.type.c_str());
        evhttp_add_header(headers, "X-Content-Type-Options", "nosniff");
        for (const auto& [name, value] : said.headers)
            evhttp_add_header(headers, name.c_str(), value.c_str());
    }
    void say(const Said& said) {
        Buffer body(evbuffer_new());
        evbuffer_add(body.get(), said.body.data(), said.body.size());
        say(said, body.get());
    }
    void say(const Said& said, evbuffer* body) {
        if (request == nullptr || has_begun)
            return;
        set_headers(said);
        if (served.method == "HEAD" && !said.headers.contains("Content-Length"))
            evhttp_add_header(evhttp_request_get_output_headers(request), "Content-Length",
                              fmt::to_string(evbuffer_get_length(body)).c_str());
        if (served.method == "HEAD")
            evbuffer_drain(body, evbuffer_get_length(body));
        served.bytes = evbuffer_get_length(body);
        tell();
        evhttp_send_reply(std::exchange(request, nullptr), said.status, nullptr, body);
    }
    void say_file(const Asked& asked, sys::BorrowedFd file) {
        struct stat info {};
        if (::fstat(file.raw(), &info) != 0)
            return say({.status = 500, .body = "the file cannot be read\n"});
        auto size = static_cast<std::uint64_t>(info.st_size);
        Said said{.type = "application/octet-stream"};
        auto tag = fmt::format("\"{:x}-{:x}-{:x}\"", info.st_ino, size,
                               info.st_mtim.tv_sec * 1'000'000'000 + info.st_mtim.tv_nsec);
        said.headers = {{"ETag", tag}, {"Accept-Ranges", "bytes"}};
        Range range{0, size};
        auto wanted = asked.headers.find("range");
        auto only_if = asked.headers.find("if-range");
        if (wanted != asked.headers.end() &&
            (only_if == asked.headers.end() || only_if->second == tag)) {
            auto parsed = parse_range(wanted->second, size);
            if (!parsed) {
                said.headers["Content-Range"] = fmt::format("bytes */{}", size);
                said.status = 416;
                return say(said);
            }
            if (*parsed) {
                range = **parsed;
                said.status = 206;
                said.headers["Content-Range"] = fmt::format("bytes {}-{}/{}", range.offset,
                                                            range.offset + range.length - 1, size);
            }
        }
        said.headers["Content-Length"] = fmt::to_string(range.length);
        Buffer body(evbuffer_new());
        bool has_body = asked.method == "GET" && range.length != 0;
        // A descriptor of its own, for as long as it is sent.
        sys::OwnedFd own(has_body ? ::fcntl(file.raw(), F_DUPFD_CLOEXEC, 0) : -1);
        if (own.valid() &&
            evbuffer_add_file(body.get(), own.raw(), static_cast<ev_off_t>(range.offset),
                              static_cast<ev_off_t>(range.length)) == 0) [[maybe_unused]]
            int taken = own.release();
        say(said, body.get());
    }
    void add(std::string_view piece) {
        if (request == nullptr || !is_connected() || piece.empty())
            return;
        Buffer bytes(evbuffer_new());
        evbuffer_add(bytes.get(), piece.data(), piece.size());
        served.bytes += piece.size();
        evhttp_send_reply_chunk(request, bytes.get());
    }
    void end() {
        tell();
        evhttp_send_reply_end(std::exchange(request, nullptr));
    }
    [[nodiscard]] bool is_connected() const {
        return request != nullptr && evhttp_request_get_connection(request) != nullptr;
    }
    void tell() const {
        if (told)
            told(served);
    }

    evhttp_request* request; ///< null when it was answered
    const std::function<void(const Served&)>& told;
    bool has_begun = false;
    Served served{};
};

void Answer::say(const Said& said) const {
    state_->say(said);
}
void Answer::say_file(const Asked& asked, sys::BorrowedFd file) const {
    state_->say_file(asked, file);
}
void Answer::begin(const Said& said) const {
    if (state_->request == nullptr || state_->has_begun)
        return;
    state_->has_begun = true;
    state_->set_headers(said);
    evhttp_send_reply_start(state_->request, said.status, nullptr);
    state_->add(said.body);
}
void Answer::add(std::string_view piece) const {
    state_->add(piece);
}
void Answer::end() const {
    if (state_->request != nullptr && state_->has_begun)
        state_->end();
}
bool Answer::is_open() const {
    return state_->is_connected();
}

struct Server::State {
    // Of one handler, or of one directory.
    struct Place {
        std::string prefix;
        Handler handler{};
        std::optional<sys::RootDir> files{};
        Instead instead{};
    };
    struct Task {
        std::function<void()> run;
        Event event{};
        int fd = -1;
    };

    std::shared_ptr<event_base> base; ///< freed last
    SslContext context;
    Http http;
    std::uint16_t port = 0;
    std::function<void(const Served&)> told; ///< also by answers that the handlers keep
    std::vector<Place> places;
    std::vector<std::unique_ptr<Task>> tasks;
    std::vector<std::unique_ptr<Task>> forgotten; ///< one of them may be running

    static void on_task(evutil_socket_t, short, void* task) { static_cast<Task*>(task)->run(); }
    void add_task(int fd, short what, std::function<void()> run, const timeval* interval) {
        auto task = std::make_unique<Task>(Task{.run = std::move(run), .fd = fd});
        task->event.reset(event_new(base.get(), fd, static_cast<short>(what | EV_PERSIST),
                                    &State::on_task, task.get()));
        event_add(task->event.get(), interval);
        tasks.push_back(std::move(task));
    }

    static bufferevent* new_stream(event_base* base, void* context) {
        return bufferevent_openssl_socket_new(base, -1, SSL_new(static_cast<SSL_CTX*>(context)),
                                              BUFFEREVENT_SSL_ACCEPTING, BEV_OPT_CLOSE_ON_FREE);
    }

    static void on_request(evhttp_request* request, void* self) {
        static_cast<State*>(self)->answer(request);
    }
    void answer(evhttp_request* request) {
        auto state = std::make_shared<Answer::State>(request, told);
        auto asked = read_request(request);
        if (!asked)
            return state->say({.status = 400, .body = "this is no path\n"});
        state->served = {.peer = asked->peer, .method = asked->method, .path = asked->path};
        const Place* best = nullptr;
        for (const auto& place : places)
            if (is_below(asked->path, place.prefix) &&
                (best == nullptr || place.prefix.size() > best->prefix.size()))
                best = &place;
        if (best == nullptr)
            return state->say({.status = 404, .body = "there is no such page\n"});
        if (best->handler)
            return best->handler(*asked, Answer(state));
        say_file(*best, *asked, state);
    }

    static void say_file(const Place& place, const Asked& asked,
                         const std::shared_ptr<Answer::State>& state) {
        if (asked.method != "GET" && asked.method != "HEAD")
            return state->say({.status = 405, .body = "files are only read\n"});
        struct stat info {};
        auto path = sys::GuestPath::parse(asked.path.substr(place.prefix.size()));
        auto file = path ? place.files->open_path(*path, O_RDONLY | O_NONBLOCK)
                         : Result<sys::OwnedFd>(fail(Code::NotFound, ""));
        if (!file || ::fstat(file->raw(), &info) != 0 || !S_ISREG(info.st_mode))
            return state->say({.status = 404, .body = "there is no such file\n"});
        if (!place.instead || !place.instead(asked, Answer(state), *file))
            state->say_file(asked, *file);
    }
};

Server::Server(std::unique_ptr<State> state) : state_(std::move(state)) {}
Server::Server(Server&&) noexcept = default;
Server& Server::operator=(Server&&) noexcept = default;
Server::~Server() = default;

Result<Server> Server::open(const ServerOptions& options, const Server* beside) {
    silence_libevent();
    auto state = std::make_unique<State>();
    if (beside != nullptr)
        state->base = beside->state_->base;
    else
        state->base = EventBase(event_base_new());
    state->http.reset(state->base ? evhttp_new(state->base.get()) : nullptr);
    if (!state->http)
        return fail(Code::Internal, "preparing to serve");
    if (!options.certificate.empty()) {
        SLIPWAY_TRY(state->context, open_context(options));
        evhttp_set_bevcb(state->http.get(), &State::new_stream, state->context.get());
    }
    auto* http = state->http.get();
    evhttp_set_max_headers_size(http, largest_head);
    evhttp_set_max_body_size(http, static_cast<ev_ssize_t>(options.largest_body));
    evhttp_set_timeout(http, static_cast<int>(options.idle.count()));
    evhttp_set_gencb(http, &State::on_request, state.get());
    errno = 0;
    auto* socket = evhttp_bind_socket_with_handle(http, options.address.c_str(), options.port);
    auto where = fmt::format("serving at {} port {}", options.address, options.port);
    if (socket == nullptr && errno == 0)
        return fail(Code::InvalidArgument, where + ": this is no address");
    if (socket == nullptr)
        return fail_errno(where);
    sockaddr_storage bound{};
    socklen_t size = sizeof bound;
    ::getsockname(evhttp_bound_socket_get_fd(socket), reinterpret_cast<sockaddr*>(&bound), &size);
    state->port =
        ntohs(bound.ss_family == AF_INET6 ? reinterpret_cast<const sockaddr_in6&>(bound).sin6_port
                                          : reinterpret_cast<const sockaddr_in&>(bound).sin_port);
    return Server(std::move(state));
}

std::uint16_t Server::port() const {
    return state_->port;
}
void Server::handle(std::string prefix, Handler handler) {
    state_->places.push_back({.prefix = std::move(prefix), .handler = std::move(handler)});
}
void Server::serve_files(std::string prefix, sys::RootDir directory, Instead instead) {
    state_->places.push_back({.prefix = std::move(prefix),
                              .files = std::move(directory),
                              .instead = std::move(instead)});
}
void Server::on_served(std::function<void(const Served&)> told) {
    state_->told = std::move(told);
}
void Server::every(std::chrono::milliseconds interval, std::function<void()> task) {
    auto length = as_timeval(interval);
    state_->add_task(-1, 0, std::move(task), &length);
}
void Server::watch(sys::BorrowedFd fd, std::function<void()> task) {
    state_->add_task(fd.raw(), EV_READ, std::move(task), nullptr);
}
void Server::forget(sys::BorrowedFd fd) {
    for (auto& task : state_->tasks)
        if (task->fd == fd.raw()) {
            event_del(task->event.get());
            state_->forgotten.push_back(std::move(task));
        }
    std::erase(state_->tasks, nullptr);
}

Status Server::run(const Cancel& cancel) {
    auto* base = state_->base.get();
    State::Task look{.run = [&] {
        state_->forgotten.clear();
        if (cancel.requested())
            event_base_loopbreak(base);
    }};
    look.event.reset(event_new(base, -1, EV_PERSIST, &State::on_task, &look));
    event_add(look.event.get(), &look_interval);
    if (event_base_dispatch(base) < 0)
        return fail(Code::Internal, "serving");
    return cancel.check();
}

} // namespace slipway::http
