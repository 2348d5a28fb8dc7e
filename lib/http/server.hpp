// SPDX-License-Identifier: Apache-2.0
// Serves HTTP/1.1 and HTTPS from one thread: files of a directory with ranges, and what handlers
// say, at once, later or bit by bit. The program must ignore SIGPIPE.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/cancel.hpp"
#include "base/error.hpp"
#include "sys/root_dir.hpp"

namespace slipway::http {

struct ServerOptions {
    std::string address = "127.0.0.1"; ///< IPv4 or IPv6
    std::uint16_t port = 0;            ///< 0: one that is free, see Server::port
    std::string certificate{};         ///< PEM, with what leads to its authority; "": no TLS
    std::string key{};                 ///< PEM
    std::chrono::seconds idle{60};     ///< a connection without a byte is closed
    std::size_t largest_body = 1 << 20;
};

struct Asked {
    std::string method;                           ///< "GET", "HEAD", "POST", "PUT", "DELETE"
    std::string path;                             ///< decoded, without "." and ".."
    std::map<std::string, std::string> query{};   ///< decoded
    std::map<std::string, std::string> headers{}; ///< names in lower case
    std::string body{};
    std::string peer{}; ///< address of who asks
};

struct Said {
    int status = 200;
    std::string body{};
    std::string type = "text/plain; charset=utf-8";
    std::map<std::string, std::string> headers{};
};

/// What is said to one request. Copies are of the same answer. One that is dropped without a word
/// says 500. It must not outlive its server.
class Answer {
public:
    struct State;
    explicit Answer(std::shared_ptr<State> state) : state_(std::move(state)) {}
    /// Whole, and once.
    void say(const Said& said) const;
    /// A regular file, or the part of it that was asked for, with ETag, ranges and If-Range; and
    /// once.
    void say_file(const Asked& asked, sys::BorrowedFd file) const;
    /// Begins one without a length; `said.body` is its first piece.
    void begin(const Said& said) const;
    void add(std::string_view piece) const;
    void end() const;
    /// Whether somebody still listens. Who went is noticed when something is said.
    [[nodiscard]] bool is_open() const;

private:
    std::shared_ptr<State> state_;
};

/// What was said to one request.
struct Served {
    std::string peer, method, path;
    int status = 0;
    std::uint64_t bytes = 0; ///< of the body, given to be sent
};

class Server {
public:
    using Handler = std::function<void(const Asked&, Answer)>;

    /// Listens. Busy: somebody else does at that port; Permission; InvalidArgument: the address,
    /// the certificate or its key.
    /// `beside`: both are served while that one runs.
    [[nodiscard]] static Result<Server> open(const ServerOptions& options,
                                             const Server* beside = nullptr);
    Server(Server&&) noexcept;
    Server& operator=(Server&&) noexcept;
    ~Server();

    [[nodiscard]] std::uint16_t port() const;
    /// Of what is below `prefix` ("/machines"), or is it; the longest prefix counts. What no
    /// handler has is 404.
    void handle(std::string prefix, Handler handler);
    /// Files of a directory, with ETag, ranges (of one piece) and If-Range. Links in it do not lead
    /// out of it; directories are not listed. What `instead` takes, by saying true, is its to
    /// answer.
    using Instead = std::function<bool(const Asked&, const Answer&, sys::BorrowedFd file)>;
    void serve_files(std::string prefix, sys::RootDir directory, Instead instead = {});
    void on_served(std::function<void(const Served&)> told);
    /// Called while it runs.
    void every(std::chrono::milliseconds interval, std::function<void()> task);
    /// Called while it runs whenever there is something to read.
    void watch(sys::BorrowedFd fd, std::function<void()> task);
    void forget(sys::BorrowedFd fd);
    /// Until it is cancelled; what is under way is cut off then.
    [[nodiscard]] Status run(const Cancel& cancel);

    struct State;

private:
    explicit Server(std::unique_ptr<State> state);
    std::unique_ptr<State> state_;
};

/// "bytes=0-99", "bytes=100-", "bytes=-5" of a file of `size` bytes; pure.
struct Range {
    std::uint64_t offset = 0, length = 0;
    bool operator==(const Range&) const = default;
};
/// Nothing where the header is not understood, and the whole file is sent. InvalidArgument: 416.
[[nodiscard]] Result<std::optional<Range>> parse_range(std::string_view header, std::uint64_t size);

} // namespace slipway::http
