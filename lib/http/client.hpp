// SPDX-License-Identifier: Apache-2.0
// Fetches over HTTP/1.1 and HTTPS. Needs nothing of the C library's resolver, so that it works in a
// static program: names are looked up in /etc/hosts and at the servers of /etc/resolv.conf.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/cancel.hpp"
#include "base/error.hpp"
#include "http/url.hpp"

namespace slipway::http {

struct ClientOptions {
    std::string ca_file{}; ///< PEM; "": the authorities that this system trusts
    /// PEM file of one certificate: only the server that has its key will do, by whatever name and
    /// whatever the clock says; "": certificates are checked as usual.
    std::string pinned{};
    bool insecure = false;         ///< any certificate will do
    std::chrono::seconds idle{30}; ///< without a byte: Timeout
    unsigned most_redirects = 10;
};

struct Response {
    int status = 0;
    std::map<std::string, std::string> headers{}; ///< names in lower case; the last of equal ones
    Url url{};                                    ///< that answered, after redirects
    [[nodiscard]] std::optional<std::uint64_t> length() const; ///< Content-Length
};

struct Request {
    Url url;
    std::string method = "GET"; ///< or "HEAD", "POST", "DELETE"
    std::map<std::string, std::string> headers{};
    std::string body{};
    /// Called before the body of an answer with a status of 200 to 299; an error ends the exchange.
    std::function<Status(const Response&)> on_head{};
    std::function<void(std::string_view)> on_error_body{}; ///< takes the body of all other answers
};

/// Takes the body of an answer with a status of 200 to 299 as it comes; an error ends the exchange.
using Sink = std::function<Status(std::string_view)>;

class Client {
public:
    /// Unsupported where the authorities cannot be read.
    [[nodiscard]] static Result<Client> open(const ClientOptions& options);
    Client(Client&&) noexcept;
    Client& operator=(Client&&) noexcept;
    ~Client();

    /// One request, and those that redirects lead to; never from https to http. A status of 400 and
    /// more is a Response too, without its body. Errors: NotFound (no such host), Timeout,
    /// Cancelled, Permission (the certificate is not trusted, and why), Protocol (the connection
    /// broke before the end, or what came is no HTTP), those of the sink, and the system's.
    [[nodiscard]] Result<Response> exchange(const Request& request, const Sink& sink,
                                            const Cancel& cancel);

private:
    struct State;
    explicit Client(std::unique_ptr<State> state);
    std::unique_ptr<State> state_;
};

} // namespace slipway::http
