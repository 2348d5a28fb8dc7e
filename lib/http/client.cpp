// SPDX-License-Identifier: Apache-2.0
#include "http/client.hpp"

#include <array>
#include <cctype>

#include <event2/buffer.h>
#include <event2/bufferevent_ssl.h>
#include <event2/dns.h>
#include <event2/event.h>
#include <event2/http.h>
#include <event2/keyvalq_struct.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <unistd.h>

#include <fmt/format.h>

#include "base/strings.hpp"
#include "http/handles.hpp"
#include "http/resolve.hpp"

namespace slipway::http {
namespace {

using Connection = std::unique_ptr<evhttp_connection, Freed<evhttp_connection_free>>;

constexpr std::array trusted_files{"/etc/ssl/certs/ca-certificates.crt",
                                   "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/ca-bundle.pem"};
constexpr timeval look_interval{0, 100'000}; // for requests to stop

Result<SslContext> open_context(const ClientOptions& options) {
    SslContext context(SSL_CTX_new(TLS_client_method()));
    if (!context)
        return fail(Code::Internal, "making a TLS context");
    SSL_CTX_set_min_proto_version(context.get(), TLS1_2_VERSION);
    SSL_CTX_set_verify(context.get(), options.insecure ? SSL_VERIFY_NONE : SSL_VERIFY_PEER,
                       nullptr);
    if (options.insecure)
        return context;
    auto file = options.pinned.empty() ? options.ca_file : options.pinned;
    if (!options.pinned.empty())
        X509_VERIFY_PARAM_set_flags(SSL_CTX_get0_param(context.get()),
                                    X509_V_FLAG_PARTIAL_CHAIN | X509_V_FLAG_NO_CHECK_TIME);
    for (const auto* trusted : trusted_files)
        if (file.empty() && ::access(trusted, R_OK) == 0)
            file = trusted;
    // Without any, https fails where it is used, and http works.
    if (!file.empty() && SSL_CTX_load_verify_locations(context.get(), file.c_str(), nullptr) != 1)
        return fail(Code::Unsupported,
                    fmt::format("reading the certificates of authorities in {}: {}", file,
                                what_openssl_says(ERR_get_error())));
    ERR_clear_error();
    return context;
}

// Of one connection; the certificate must be of this host, unless it is the one that is known.
SSL* new_ssl(SSL_CTX* context, const std::string& host, bool is_pinned) {
    auto* ssl = SSL_new(context);
    if (ssl == nullptr || is_pinned)
        return ssl;
    if (is_address(host))
        X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host.c_str());
    else {
        // SSL_set_tlsext_host_name, which is a macro with a cast.
        SSL_ctrl(ssl, SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name,
                 const_cast<char*>(host.c_str()));
        SSL_set1_host(ssl, host.c_str());
    }
    return ssl;
}

evhttp_cmd_type command_of(const std::string& method) {
    return method == "HEAD"     ? EVHTTP_REQ_HEAD
           : method == "POST"   ? EVHTTP_REQ_POST
           : method == "DELETE" ? EVHTTP_REQ_DELETE
                                : EVHTTP_REQ_GET;
}

bool is_redirect(int status) {
    return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

// One request on a connection of its own. libevent calls back into it.
class Exchange {
public:
    Exchange(const Request& request, const Sink& sink, const Cancel& cancel)
        : request_(request), sink_(sink), cancel_(cancel) {
        response_.url = request.url;
    }
    Exchange(const Exchange&) = delete;
    Exchange& operator=(const Exchange&) = delete;

    Result<Response> run(event_base* base, evdns_base* dns, SSL_CTX* context,
                         const ClientOptions& options) {
        base_ = base;
        SLIPWAY_CHECK(connect(dns, context, options));
        SLIPWAY_CHECK(send());
        Event look(event_new(base, -1, EV_PERSIST, &Exchange::on_look, this));
        event_add(look.get(), &look_interval);
        // What fails at once, such as a network that is down, has ended already, and a loop that
        // has not begun cannot be broken.
        if (!error_ && !is_done_)
            event_base_dispatch(base);
        connection_.reset();
        if (error_)
            return fail(std::move(*error_));
        if (!is_done_)
            return fail(Code::Internal, fmt::format("{}: no end", request_.url.str()));
        return std::move(response_);
    }

private:
    Status connect(evdns_base* dns, SSL_CTX* context, const ClientOptions& options) {
        const auto& url = request_.url;
        if (url.secure) {
            ssl_ = new_ssl(context, url.host, !options.pinned.empty());
            if (ssl_ == nullptr)
                return fail(Code::Internal, "making a TLS connection");
            stream_ = bufferevent_openssl_socket_new(base_, -1, ssl_, BUFFEREVENT_SSL_CONNECTING,
                                                     BEV_OPT_CLOSE_ON_FREE);
        } else
            stream_ = bufferevent_socket_new(base_, -1, BEV_OPT_CLOSE_ON_FREE);
        if (stream_ == nullptr)
            return fail(Code::Internal, "making a connection");
        connection_.reset(evhttp_connection_base_bufferevent_new(base_, dns, stream_,
                                                                 url.host.c_str(), url.port));
        if (!connection_)
            return fail(Code::Internal, "making a connection");
        evhttp_connection_set_timeout(connection_.get(), static_cast<int>(options.idle.count()));
        return {};
    }

    Status send() {
        auto* sent = evhttp_request_new(&Exchange::on_end, this); // the connection's in a moment
        evhttp_request_set_header_cb(sent, &Exchange::on_headers);
        evhttp_request_set_chunked_cb(sent, &Exchange::on_body);
        evhttp_request_set_error_cb(sent, &Exchange::on_error);
        auto* headers = evhttp_request_get_output_headers(sent);
        auto wanted = request_.headers;
        wanted.insert({{"Host", request_.url.authority()},
                       {"User-Agent", "slipway"},
                       {"Accept-Encoding", "identity"},
                       {"Connection", "close"}});
        for (const auto& [name, value] : wanted)
            evhttp_add_header(headers, name.c_str(), value.c_str());
        evbuffer_add(evhttp_request_get_output_buffer(sent), request_.body.data(),
                     request_.body.size());
        if (evhttp_make_request(connection_.get(), sent, command_of(request_.method),
                                request_.url.target.c_str()) != 0)
            return fail(Code::Protocol, fmt::format("asking for {}", request_.url.str()));
        return {};
    }

    void stop(Error error) {
        if (!error_)
            error_ = std::move(error).in(request_.url.str());
        event_base_loopbreak(base_);
    }

    static void on_look(evutil_socket_t, short, void* self) {
        auto& exchange = *static_cast<Exchange*>(self);
        if (auto checked = exchange.cancel_.check(); !checked)
            exchange.stop(std::move(checked.error()));
    }

    // libevent hands over what it was given for the end here, too.
    static int on_headers(evhttp_request* received, void* self) {
        auto& exchange = *static_cast<Exchange*>(self);
        auto& response = exchange.response_;
        response.status = evhttp_request_get_response_code(received);
        const auto* headers = evhttp_request_get_input_headers(received);
        for (const auto* each = headers->tqh_first; each != nullptr; each = each->next.tqe_next)
            response.headers[to_lower(each->key)] = each->value;
        if (response.status / 100 == 2 && exchange.request_.on_head)
            if (auto wanted = exchange.request_.on_head(response); !wanted)
                exchange.stop(std::move(wanted.error()));
        return 0;
    }

    static void on_body(evhttp_request* received, void* self) {
        auto& exchange = *static_cast<Exchange*>(self);
        auto* buffer = evhttp_request_get_input_buffer(received);
        constexpr std::size_t piece = 256 << 10;
        while (auto size = std::min(evbuffer_get_length(buffer), piece)) {
            const auto* bytes = evbuffer_pullup(buffer, static_cast<ev_ssize_t>(size));
            bool wanted = exchange.response_.status / 100 == 2 && exchange.sink_;
            if (wanted && !exchange.error_)
                if (auto taken = exchange.sink_({reinterpret_cast<const char*>(bytes), size});
                    !taken)
                    exchange.stop(std::move(taken.error()));
            if (exchange.response_.status / 100 != 2 && exchange.request_.on_error_body)
                exchange.request_.on_error_body({reinterpret_cast<const char*>(bytes), size});
            evbuffer_drain(buffer, size);
        }
    }

    static void on_error(evhttp_request_error reason, void* self) {
        auto& exchange = *static_cast<Exchange*>(self);
        exchange.stop(reason == EVREQ_HTTP_TIMEOUT ? exchange.timed_out()
                      : reason == EVREQ_HTTP_INVALID_HEADER
                          ? Error{.code = Code::Protocol, .what = "the answer is no HTTP"}
                          : exchange.why_broken());
    }

    static void on_end(evhttp_request* received, void* self) {
        auto& exchange = *static_cast<Exchange*>(self);
        if (received == nullptr || evhttp_request_get_response_code(received) == 0)
            exchange.stop(exchange.why_broken());
        exchange.is_done_ = !exchange.error_;
        event_base_loopbreak(exchange.base_);
    }

    [[nodiscard]] Error timed_out() const {
        return {.code = Code::Timeout,
                .what = response_.status == 0 ? "the server did not answer"
                                              : "the server sent no more"};
    }

    // As far as the layers below tell.
    [[nodiscard]] Error why_broken() const {
        if (int unknown = bufferevent_socket_get_dns_error(stream_); unknown != 0)
            return {.code = Code::NotFound,
                    .what = fmt::format("looking up {}: {}", request_.url.host,
                                        evutil_gai_strerror(unknown))};
        if (ssl_ != nullptr)
            if (auto verdict = SSL_get_verify_result(ssl_); verdict != X509_V_OK) {
                Error error{.code = Code::Permission,
                            .what = fmt::format("the certificate is not trusted: {}",
                                                X509_verify_cert_error_string(verdict))};
                error.hint = "name its authority, or have the clock set right";
                return error;
            }
        if (auto told = bufferevent_get_openssl_error(stream_); ssl_ != nullptr && told != 0)
            return {.code = Code::Protocol,
                    .what = fmt::format("the TLS connection broke: {}", what_openssl_says(told))};
        if (response_.status == 0 && bufferevent_getfd(stream_) < 0) // libevent has lost the reason
            return {.code = Code::NotFound,
                    .what = fmt::format("nobody answers at {} port {}", request_.url.host,
                                        request_.url.port)};
        return {.code = Code::Protocol, .what = "the connection broke before the end"};
    }

    const Request& request_;
    const Sink& sink_;
    const Cancel& cancel_;
    event_base* base_ = nullptr;    ///< the client's
    SSL* ssl_ = nullptr;            ///< the stream's
    bufferevent* stream_ = nullptr; ///< the connection's
    Connection connection_;
    Response response_{};
    std::optional<Error> error_{};
    bool is_done_ = false;
};

} // namespace

std::optional<std::uint64_t> Response::length() const {
    auto found = headers.find("content-length");
    return found == headers.end() ? std::nullopt : parse_number(found->second);
}

struct Client::State {
    ClientOptions options;
    SslContext context;
};

Client::Client(std::unique_ptr<State> state) : state_(std::move(state)) {}
Client::Client(Client&&) noexcept = default;
Client& Client::operator=(Client&&) noexcept = default;
Client::~Client() = default;

Result<Client> Client::open(const ClientOptions& options) {
    silence_libevent();
    SLIPWAY_TRY(auto context, open_context(options));
    return Client(std::make_unique<State>(State{options, std::move(context)}));
}

Result<Response> Client::exchange(const Request& request, const Sink& sink, const Cancel& cancel) {
    auto asked = request;
    for (unsigned redirects = 0;; ++redirects) {
        SLIPWAY_CHECK(cancel.check());
        // Anew each time: the network's servers of names may have changed.
        EventBase base(event_base_new());
        Dns dns = open_dns(base.get());
        if (!base || !dns)
            return fail(Code::Internal, "preparing to fetch");
        SLIPWAY_TRY(auto response,
                    Exchange(asked, sink, cancel)
                        .run(base.get(), dns.get(), state_->context.get(), state_->options));
        auto location = response.headers.find("location");
        if (!is_redirect(response.status) || location == response.headers.end())
            return response;
        if (redirects == state_->options.most_redirects)
            return fail(Code::Protocol,
                        fmt::format("{} redirects again and again", request.url.str()));
        SLIPWAY_TRY(auto next, resolve_url(asked.url, location->second));
        if (asked.url.secure && !next.secure)
            return fail(Code::Protocol, fmt::format("{} redirects to {}, which is not secure",
                                                    asked.url.str(), next.str()));
        asked.url = std::move(next);
    }
}

} // namespace slipway::http
