// SPDX-License-Identifier: Apache-2.0
// With our own client, in a thread of its own.
#include <array>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>

#include "http/client.hpp"
#include "http/identity.hpp"
#include "http/server.hpp"

namespace slipway::http {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

TEST(HttpRange, AsInTheStandard) {
    auto range = [](std::string_view header, std::uint64_t size = 100) {
        return parse_range(header, size).value();
    };
    EXPECT_EQ(range("bytes=0-9"), (Range{0, 10}));
    EXPECT_EQ(range("bytes=90-"), (Range{90, 10}));
    EXPECT_EQ(range("bytes=-5"), (Range{95, 5}));
    EXPECT_EQ(range("bytes=-500"), (Range{0, 100}));
    EXPECT_EQ(range("bytes=99-1000"), (Range{99, 1}));
    for (const char* odd : {"bytes=", "bytes=-", "bytes=a-b", "bytes=9-8", "bytes=0-1,5-6",
                            "lines=1-2", "bytes=1", "bytes=18446744073709551616-"})
        EXPECT_EQ(range(odd), std::nullopt) << odd;
    for (const char* outside : {"bytes=100-", "bytes=200-300", "bytes=-0"})
        EXPECT_FALSE(parse_range(outside, 100)) << outside;
    EXPECT_FALSE(parse_range("bytes=0-", 0));
}

class HttpServer : public testing::Test {
protected:
    void SetUp() override {
        (void)::signal(SIGPIPE, SIG_IGN);
        std::string name = "/var/tmp/slipway-http-XXXXXX";
        ASSERT_NE(::mkdtemp(name.data()), nullptr);
        top_ = name;
        auto server = Server::open(options());
        ASSERT_TRUE(server) << render_text(server.error());
        server_.emplace(std::move(*server));
    }
    void TearDown() override {
        cancel_.request();
        if (thread_.joinable())
            thread_.join();
        fs::remove_all(top_);
    }
    [[nodiscard]] virtual ServerOptions options() const { return {}; }
    void write(const std::string& name, const std::string& content) const {
        fs::create_directories(fs::path(top_ / name).parent_path());
        std::ofstream(top_ / name) << content;
    }
    void run() {
        thread_ = std::thread([this] {
            auto ended = server_->run(cancel_);
            EXPECT_EQ(ended.error().code, Code::Cancelled);
        });
    }
    struct Fetched {
        Response response;
        std::string body;
    };
    Fetched fetch(const std::string& target, std::map<std::string, std::string> headers = {},
                  const std::string& method = "GET", const std::string& body = "",
                  const ClientOptions& options = {}) {
        auto client = Client::open(options).value();
        Request request{.url = {.secure = !this->options().certificate.empty(),
                                .host = "127.0.0.1",
                                .port = server_->port(),
                                .target = target},
                        .method = method,
                        .headers = std::move(headers),
                        .body = body};
        std::string got;
        auto sink = [&got](std::string_view bytes) -> Status {
            got.append(bytes);
            return {};
        };
        auto response = client.exchange(request, sink, Cancel());
        if (!response) {
            ADD_FAILURE() << target << ": " << render_text(response.error());
            return {};
        }
        return {*response, got};
    }

    fs::path top_;
    std::optional<Server> server_;
    Cancel cancel_;
    std::thread thread_;
};

TEST_F(HttpServer, FilesAndRanges) {
    std::string large(3 << 20, 'x');
    large.back() = 'y';
    write("a/large.img", large);
    write("empty", "");
    write("with space", "space");
    server_->serve_files("/files", sys::RootDir::open(top_).value());
    run();
    auto whole = fetch("/files/a/large.img");
    EXPECT_EQ(whole.response.status, 200);
    EXPECT_EQ(whole.body, large);
    EXPECT_EQ(whole.response.length(), large.size());
    auto tag = whole.response.headers.at("etag");

    auto rest = fetch("/files/a/large.img", {{"Range", "bytes=3145720-"}, {"If-Range", tag}});
    EXPECT_EQ(rest.response.status, 206);
    EXPECT_EQ(rest.body, "xxxxxxxy");
    EXPECT_EQ(rest.response.headers.at("content-range"), "bytes 3145720-3145727/3145728");
    auto changed = fetch("/files/a/large.img", {{"Range", "bytes=1-"}, {"If-Range", "\"other\""}});
    EXPECT_EQ(changed.response.status, 200);
    EXPECT_EQ(changed.body.size(), large.size());
    auto outside = fetch("/files/a/large.img", {{"Range", "bytes=3145728-"}});
    EXPECT_EQ(outside.response.status, 416);
    EXPECT_EQ(outside.response.headers.at("content-range"), "bytes */3145728");

    auto head = fetch("/files/a/large.img", {}, "HEAD");
    EXPECT_EQ(head.response.length(), large.size());
    EXPECT_EQ(head.body, "");
    EXPECT_EQ(fetch("/files/empty").response.length(), 0);
    EXPECT_EQ(fetch("/files/with%20space").body, "space");
    EXPECT_EQ(fetch("/files/a/large.img", {}, "POST", "x").response.status, 405);
}

TEST_F(HttpServer, NothingButItsFiles) {
    write("shared/file", "shared");
    write("secret", "secret");
    write("shared/.well", "dot");
    fs::create_symlink("../secret", top_ / "shared/link");
    fs::create_symlink(top_ / "secret", top_ / "shared/absolute");
    fs::create_symlink("file", top_ / "shared/inside");
    ASSERT_EQ(::mkfifo((top_ / "shared/fifo").c_str(), 0644), 0);
    server_->serve_files("/", sys::RootDir::open(top_ / "shared").value());
    run();
    for (const char* path : {"/link", "/absolute", "/../secret", "/%2e%2e/secret",
                             "/a/../../secret", "/file%00", "/", "/fifo", "/none", "//etc/passwd"})
        EXPECT_GE(fetch(path).response.status, 400) << path;
    EXPECT_EQ(fetch("/inside").body, "shared");
    EXPECT_EQ(fetch("/file?v=2").body, "shared");
}

TEST_F(HttpServer, HandlersAnswerNowLaterAndInPieces) {
    std::vector<Served> served;
    server_->on_served([&](const Served& one) { served.push_back(one); });
    server_->handle("/echo", [](const Asked& asked, const Answer& answer) {
        answer.say({.status = 201,
                    .body = fmt::format("{} {} {} {}", asked.method, asked.path,
                                        asked.query.at("q"), asked.body),
                    .headers = {{"X-Own", asked.headers.at("x-asked")}}});
        answer.say({.body = "once only"});
    });
    server_->handle("/silent", [](const Asked&, const Answer&) {});
    std::vector<Answer> later;
    server_->handle("/later", [&](const Asked&, Answer answer) { later.push_back(answer); });
    server_->handle("/pieces", [&](const Asked&, const Answer& answer) {
        answer.begin({.body = "1", .type = "text/event-stream"});
        later.push_back(answer);
    });
    server_->every(std::chrono::milliseconds(20), [&] {
        for (auto& answer : later) {
            answer.say({.body = "at last"}); // of what has not begun
            answer.add("2");
            answer.end();
        }
        later.clear();
    });
    run();
    auto echo = fetch("/echo/a%2fb?q=x%26y", {{"X-Asked", "yes"}}, "POST", "body");
    EXPECT_EQ(echo.response.status, 201);
    EXPECT_EQ(echo.body, "POST /echo/a/b x&y body");
    EXPECT_EQ(echo.response.headers.at("x-own"), "yes");
    EXPECT_EQ(fetch("/silent").response.status, 500);
    EXPECT_EQ(fetch("/later").body, "at last");
    EXPECT_EQ(fetch("/pieces").body, "12");
    EXPECT_EQ(fetch("/echoes").response.status, 404);
    cancel_.request();
    thread_.join();
    ASSERT_GE(served.size(), 4);
    EXPECT_EQ(served[0].path, "/echo/a/b");
    EXPECT_EQ(served[0].status, 201);
    EXPECT_EQ(served[0].peer, "127.0.0.1");
    EXPECT_EQ(served[3].bytes, 2);
}

TEST_F(HttpServer, WatchesDescriptors) {
    std::array<int, 2> ends{};
    ASSERT_EQ(::pipe(ends.data()), 0);
    sys::OwnedFd out(ends[0]), in(ends[1]);
    std::string read;
    server_->watch(out, [&] {
        std::array<char, 16> bytes{};
        auto got = ::read(out.raw(), bytes.data(), bytes.size());
        read.append(bytes.data(), static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
        if (got <= 0)
            server_->forget(out);
    });
    server_->handle("/read",
                    [&](const Asked&, const Answer& answer) { answer.say({.body = read}); });
    run();
    ASSERT_EQ(::write(in.raw(), "said", 4), 4);
    in.reset();
    std::string body;
    for (int turn = 0; turn < 100 && body != "said"; ++turn)
        body = fetch("/read").body;
    EXPECT_EQ(body, "said");
}

// With certificates of its own making: for its address, and for another name.
class HttpsServer : public HttpServer {
protected:
    void SetUp() override {
        HttpServer::SetUp();
        auto certificate = [this](const std::string& name, const std::string& subject) {
            auto made = fmt::format("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 "
                                    "-nodes -days 2 -subj /CN=test -addext subjectAltName={1} "
                                    "-keyout {0}.key -out {0}.pem 2>/dev/null",
                                    (top_ / name).string(), subject);
            ASSERT_EQ(std::system(made.c_str()), 0) << made; // NOLINT: a test
        };
        certificate("own", "IP:127.0.0.1");
        certificate("other", "DNS:elsewhere");
    }
    void serve(const std::string& name) {
        options_.certificate = top_ / (name + ".pem");
        options_.key = top_ / (name + ".key");
        auto server = Server::open(options_);
        ASSERT_TRUE(server) << render_text(server.error());
        server_.emplace(std::move(*server));
        write("files/large", std::string(2 << 20, 'x'));
        server_->serve_files("/", sys::RootDir::open(top_ / "files").value());
        run();
    }
    [[nodiscard]] ServerOptions options() const override { return options_; }
    Result<Response> ask(const ClientOptions& options) {
        auto client = Client::open(options).value();
        Request request{
            .url = {
                .secure = true, .host = "127.0.0.1", .port = server_->port(), .target = "/large"}};
        return client.exchange(
            request, [](std::string_view) -> Status { return {}; }, Cancel());
    }
    ServerOptions options_{};
};

TEST_F(HttpsServer, IsTrustedByItsAuthority) {
    serve("own");
    auto whole = fetch("/large", {}, "GET", "", {.ca_file = top_ / "own.pem"});
    EXPECT_EQ(whole.body, std::string(2 << 20, 'x'));
    EXPECT_EQ(fetch("/large", {{"Range", "bytes=5-6"}}, "GET", "", {.insecure = true}).body, "xx");
    auto unknown = ask({});
    ASSERT_FALSE(unknown);
    EXPECT_EQ(unknown.error().code, Code::Permission);
    EXPECT_THAT(render_text(unknown.error()), HasSubstr("self-signed certificate"));
}

TEST_F(HttpsServer, OfAnotherNameIsNotTrusted) {
    serve("other");
    auto other = ask({.ca_file = top_ / "other.pem"});
    ASSERT_FALSE(other);
    EXPECT_EQ(other.error().code, Code::Permission);
    EXPECT_THAT(render_text(other.error()), HasSubstr("mismatch"));
}

// Of a server that signs for itself, without a name: known by its certificate alone.
TEST_F(HttpsServer, IsKnownByItsCertificate) {
    auto mine = make_certificate("mine").value(), another = make_certificate("mine").value();
    write("made.pem", mine.certificate);
    write("made.key", mine.key);
    write("another.pem", another.certificate);
    serve("made");
    EXPECT_TRUE(ask({.pinned = top_ / "made.pem"}));
    auto stranger = ask({.pinned = top_ / "another.pem"});
    ASSERT_FALSE(stranger);
    EXPECT_EQ(stranger.error().code, Code::Permission);
    EXPECT_FALSE(ask({.ca_file = top_ / "made.pem"})); // it names no host
}

TEST_F(HttpServer, RunsAnotherBesideIt) {
    auto beside = Server::open({}, &*server_);
    ASSERT_TRUE(beside);
    beside->handle("/", [](const Asked&, const Answer& answer) { answer.say({.body = "two"}); });
    server_->handle("/", [](const Asked&, const Answer& answer) { answer.say({.body = "one"}); });
    run();
    EXPECT_EQ(fetch("/").body, "one");
    std::swap(*server_, *beside);
    EXPECT_EQ(fetch("/").body, "two");
    std::swap(*server_, *beside);
}

TEST_F(HttpServer, TellsWhatKeepsItFromServing) {
    auto again = Server::open({.port = server_->port()});
    ASSERT_FALSE(again);
    EXPECT_EQ(again.error().code, Code::Busy);
    auto odd = Server::open({.address = "no address"});
    ASSERT_FALSE(odd);
    EXPECT_EQ(odd.error().code, Code::InvalidArgument) << render_text(odd.error());
    write("broken.pem", "nothing");
    auto broken = Server::open({.certificate = top_ / "broken.pem", .key = top_ / "broken.pem"});
    ASSERT_FALSE(broken);
    EXPECT_THAT(render_text(broken.error()), HasSubstr("the certificate /var/tmp/"));
}

} // namespace
} // namespace slipway::http
