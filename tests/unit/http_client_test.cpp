// SPDX-License-Identifier: Apache-2.0
// Against a server of this process that says what the test wants, right or wrong.
#include <map>
#include <thread>

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <fmt/format.h>

#include "http/client.hpp"
#include "sys/fd.hpp"

namespace slipway::http {
namespace {

using testing::HasSubstr;

using Answers = std::map<std::string, std::string>; // by path

class SaidServer {
public:
    /// What is said to a request for a path; the connection is closed after it, or for "" left
    /// open.
    explicit SaidServer(Answers answers)
        : answers_(std::move(answers)),
          listener_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        socklen_t size = sizeof address;
        auto* plain = reinterpret_cast<sockaddr*>(&address);
        if (::bind(listener_.raw(), plain, size) != 0 || ::listen(listener_.raw(), 8) != 0 ||
            ::getsockname(listener_.raw(), plain, &size) != 0)
            throw std::runtime_error("no server");
        port_ = ntohs(address.sin_port);
        thread_ = std::thread([this] { serve(); });
    }
    SaidServer(const SaidServer&) = delete;
    SaidServer& operator=(const SaidServer&) = delete;
    ~SaidServer() {
        ::shutdown(listener_.raw(), SHUT_RDWR);
        thread_.join();
    }
    [[nodiscard]] Url url(const std::string& target) const {
        return parse_url(fmt::format("http://127.0.0.1:{}{}", port_, target)).value();
    }
    [[nodiscard]] const std::string& last_request() const { return last_; }

private:
    void serve() {
        std::vector<sys::OwnedFd> open;
        while (true) {
            sys::OwnedFd peer(::accept4(listener_.raw(), nullptr, nullptr, SOCK_CLOEXEC));
            if (!peer.valid())
                return;
            last_.clear();
            std::array<char, 4096> bytes{};
            while (last_.find("\r\n\r\n") == std::string::npos) {
                auto got = ::read(peer.raw(), bytes.data(), bytes.size());
                if (got <= 0)
                    break;
                last_.append(bytes.data(), static_cast<std::size_t>(got));
            }
            auto path = last_.substr(0, last_.find(" HTTP"));
            const auto& answer = answers_[path.substr(path.find(' ') + 1)];
            (void)sys::write_all(peer, answer);
            if (answer.empty())
                open.push_back(std::move(peer));
        }
    }
    Answers answers_;
    sys::OwnedFd listener_;
    std::uint16_t port_ = 0;
    std::string last_;
    std::thread thread_;
};

std::string with_length(std::string_view body) {
    return fmt::format("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nETag: \"1\"\r\n\r\n{}",
                       body.size(), body);
}

std::string redirect(std::string_view to) {
    return fmt::format("HTTP/1.1 302 Found\r\nLocation: {}\r\nContent-Length: 0\r\n\r\n", to);
}

struct Fetched {
    Result<Response> response;
    std::string body;
};
Fetched fetch(const Request& request, const Cancel& cancel = {}) {
    auto client = Client::open({.idle = std::chrono::seconds(1)});
    std::string body;
    auto sink = [&body](std::string_view bytes) -> Status {
        body.append(bytes);
        return {};
    };
    auto response = client.value().exchange(request, sink, cancel);
    return {std::move(response), body};
}

TEST(HttpClient, TakesTheWholeBody) {
    std::string large(1 << 20, 'x');
    SaidServer server(Answers{{"/large", with_length(large)},
                              {"/pieces", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                                          "3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"}});
    auto [response, body] =
        fetch({.url = server.url("/large"), .headers = {{"Range", "bytes=0-"}}});
    ASSERT_TRUE(response) << render_text(response.error());
    EXPECT_EQ(response->status, 200);
    EXPECT_EQ(response->length(), large.size());
    EXPECT_EQ(response->headers.at("etag"), "\"1\"");
    EXPECT_EQ(body, large);
    EXPECT_THAT(server.last_request(), HasSubstr("Range: bytes=0-\r\n"));
    EXPECT_THAT(server.last_request(), HasSubstr(server.url("/").authority()));
    EXPECT_EQ(fetch({.url = server.url("/pieces")}).body, "abcde");
}

TEST(HttpClient, FollowsRedirectsAndGivesUp) {
    SaidServer server(Answers{{"/a/old", redirect("../new")},
                              {"/new", with_length("there")},
                              {"/ring", redirect("/ring")},
                              {"/away", redirect("ftp://elsewhere/")}});
    auto [response, body] = fetch({.url = server.url("/a/old")});
    ASSERT_TRUE(response) << render_text(response.error());
    EXPECT_EQ(body, "there");
    EXPECT_EQ(response->url.target, "/new");
    EXPECT_EQ(fetch({.url = server.url("/ring")}).response.error().code, Code::Protocol);
    EXPECT_EQ(fetch({.url = server.url("/away")}).response.error().code, Code::InvalidArgument);
}

TEST(HttpClient, GivesNoBodyOfAnErrorToTheSink) {
    SaidServer server(
        Answers{{"/none", "HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\nnone"}});
    auto [response, body] = fetch({.url = server.url("/none")});
    ASSERT_TRUE(response);
    EXPECT_EQ(response->status, 404);
    EXPECT_EQ(body, "");
    std::string error;
    Request request{.url = server.url("/none"),
                    .on_error_body = [&error](std::string_view piece) { error += piece; }};
    ASSERT_TRUE(fetch(request).response);
    EXPECT_EQ(error, "none");
}

TEST(HttpClient, TellsAnEndThatCameTooEarly) {
    SaidServer server(Answers{{"/cut", "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc"},
                              {"/other", "SSH-2.0-other\r\n\r\n"},
                              {"/silent", ""}});
    auto [cut, body] = fetch({.url = server.url("/cut")});
    ASSERT_FALSE(cut);
    EXPECT_EQ(cut.error().code, Code::Protocol);
    EXPECT_THAT(render_text(cut.error()), HasSubstr("before the end"));
    EXPECT_EQ(body, "abc");
    EXPECT_EQ(fetch({.url = server.url("/other")}).response.error().code, Code::Protocol);
    EXPECT_EQ(fetch({.url = server.url("/silent")}).response.error().code, Code::Timeout);
}

TEST(HttpClient, TellsWhoDoesNotAnswer) {
    auto closed = SaidServer(Answers{}).url("/");
    EXPECT_EQ(fetch({.url = closed}).response.error().code, Code::NotFound);
}

// The kernel says at once that nothing can be sent there.
TEST(HttpClient, EndsWhereConnectingFailsAtOnce) {
    auto nowhere = parse_url("http://255.255.255.255/").value();
    EXPECT_FALSE(fetch({.url = nowhere}).response);
}

TEST(HttpClient, StopsWhereTheSinkOrTheUserWants) {
    SaidServer server(Answers{{"/body", with_length("body")}, {"/silent", ""}});
    auto full = [](std::string_view) -> Status { return fail(Code::NoSpace, "no space"); };
    auto client = Client::open({});
    auto response = client.value().exchange({.url = server.url("/body")}, full, Cancel());
    ASSERT_FALSE(response);
    EXPECT_EQ(response.error().code, Code::NoSpace);
    unsigned looks = 0;
    Cancel soon([&looks] { return ++looks > 2; });
    EXPECT_EQ(fetch({.url = server.url("/silent")}, soon).response.error().code, Code::Cancelled);
}

} // namespace
} // namespace slipway::http
