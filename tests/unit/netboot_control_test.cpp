// SPDX-License-Identifier: Apache-2.0
// The server of machines and operators, with a machine and an operator of this process.
#include <csignal>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fmt/format.h>

#include "boot/remote.hpp"
#include "boot/remote_protocol.hpp"
#include "http/client.hpp"
#include "http/identity.hpp"
#include "netboot/control.hpp"

namespace slipway::netboot {
namespace {

using testing::HasSubstr;
using namespace std::chrono_literals;

struct Got {
    int status = 0;
    std::string body{};
    [[nodiscard]] Json json() const { return parse_json(body, "").value_or(Json::object()); }
};

class ControlTest : public testing::Test {
protected:
    void SetUp() override {
        (void)::signal(SIGPIPE, SIG_IGN);
        control_.serve_at(server_);
        thread_ = std::thread([this] { std::ignore = server_.run(stop_); });
        boot::RemoteOptions options{.server = {.host = "127.0.0.1", .port = server_.port()},
                                    .machine = {{"mac", "52:54:00:00:00:01"}},
                                    .pause = 50ms};
        remote_ = boot::Remote::start(options).value();
        remote_->tell_state({{"phase", "bootstrap"}});
    }
    void TearDown() override {
        remote_.reset();
        stop_.request();
        thread_.join();
    }
    Got ask(const std::string& method, const std::string& path, const std::string& body = "",
            const std::string& token = "secret") {
        auto client = http::Client::open({}).value();
        Got got;
        http::Request request{
            .url = {.host = "127.0.0.1", .port = server_.port(), .target = path},
            .method = method,
            .headers = {{"Authorization", "Bearer " + token}},
            .body = body,
            .on_error_body = [&got](std::string_view piece) { got.body += piece; }};
        auto response = client.exchange(
            request,
            [&got](std::string_view piece) -> Status {
                got.body += piece;
                return {};
            },
            Cancel());
        got.status = response ? response->status : 0;
        return got;
    }
    Got of_machine(const std::string& method, const std::string& what,
                   const std::string& body = "") {
        return ask(method, fmt::format("/api/machines/{}{}", remote_->fingerprint(), what), body);
    }
    template <class Wanted> static bool soon(Wanted wanted) {
        for (int i = 0; i < 200; ++i, std::this_thread::sleep_for(50ms))
            if (wanted())
                return true;
        return false;
    }
    bool is_connected() {
        return soon([this] { return json_get<bool>(of_machine("GET", "").json(), "connected"); });
    }
    boot::Order next_order() {
        std::vector<boot::Order> orders;
        EXPECT_TRUE(soon([&] {
            orders = remote_->take_orders();
            return !orders.empty();
        }));
        return orders.empty() ? boot::Order{} : orders.front();
    }

    http::Server server_ = http::Server::open({}).value();
    Control control_{{.token = "secret"}};
    Cancel stop_;
    std::thread thread_;
    std::unique_ptr<boot::Remote> remote_;
};

TEST_F(ControlTest, NobodyWithoutTheTokenIsAnOperator) {
    for (const auto* token : {"", "other", "secre"})
        EXPECT_EQ(ask("GET", "/api/machines", "", token).status, 403) << token;
    EXPECT_EQ(ask("GET", "/api/machines").status, 200);
    EXPECT_EQ(ask("GET", "/api/machines/none").status, 404);
    EXPECT_EQ(ask("GET", "/").status, 200); // the page asks for it
    EXPECT_EQ(ask("GET", "/other").status, 404);
}

TEST_F(ControlTest, AMachineThatWasNotApprovedGetsNoOrders) {
    ASSERT_TRUE(is_connected());
    for (const auto* what : {"/log", "/console", "/screen"})
        EXPECT_EQ(of_machine("GET", what).status, 403) << what;
    for (const auto* what : {"/keys", "/command"})
        EXPECT_EQ(of_machine("POST", what, "{\"line\":\"reboot\"}").status, 403) << what;
    EXPECT_TRUE(remote_->take_orders().empty());
    EXPECT_THAT(remote_->take_news().front(), HasSubstr("waits to be approved"));
}

TEST_F(ControlTest, OrdersAndWhatTheyComeTo) {
    ASSERT_TRUE(is_connected());
    EXPECT_EQ(of_machine("POST", "/approve").status, 200);
    ASSERT_TRUE(soon([this] {
        auto news = remote_->take_news();
        return !news.empty() && news.back().find("was approved") != std::string::npos;
    }));
    Got done;
    std::thread asker([&] { done = of_machine("POST", "/command", R"({"line":"load x"})"); });
    auto order = next_order();
    EXPECT_EQ(order.kind, boot::Order::Kind::Command);
    EXPECT_EQ(order.text, "load x");
    remote_->tell_line("half of it");
    remote_->answer(order.number, Error{.code = Code::NotFound, .what = "there is no x"});
    asker.join();
    EXPECT_THAT(done.body, HasSubstr(R"({"line":"half of it"})"));
    EXPECT_THAT(done.body, HasSubstr("there is no x"));

    EXPECT_EQ(of_machine("POST", "/keys", std::string("a\0\xff\r", 4)).status, 200);
    order = next_order();
    EXPECT_EQ(order.kind, boot::Order::Kind::Keys);
    EXPECT_EQ(order.text, std::string("a\0\xff\r", 4));

    Got screen;
    std::thread viewer([&] { screen = of_machine("GET", "/screen"); });
    order = next_order();
    EXPECT_EQ(order.kind, boot::Order::Kind::Screen);
    remote_->show(order.number, {"text/plain; charset=utf-8", "what is there"});
    viewer.join();
    EXPECT_EQ(screen.body, "what is there");

    remote_->tell_console("written");
    EXPECT_TRUE(soon([this] { return of_machine("GET", "/console?once=1").body == "written"; }));
    EXPECT_EQ(of_machine("GET", "/log").body, "half of it\n");
    EXPECT_EQ(of_machine("POST", "/command", R"({"line":"a\nb"})").status, 400);
}

TEST_F(ControlTest, AStrangerIsNotHeardForLong) {
    ASSERT_TRUE(is_connected());
    std::string much(100'000, 'x');
    EXPECT_EQ(ask("POST", "/machine/enter", much).status, 413);
    EXPECT_EQ(ask("POST", "/machine/report", "{}").status, 401);
    EXPECT_EQ(ask("GET", "/machine/orders").status, 401);
    EXPECT_EQ(ask("POST", "/machine/enter", "[]").status, 400);
    EXPECT_EQ(ask("POST", "/machine/enter", R"({"key":"x","challenge":"y"})").status, 403);
}

TEST_F(ControlTest, WhoWaitsForAMachineThatGoesIsTold) {
    ASSERT_TRUE(is_connected());
    ASSERT_EQ(of_machine("POST", "/approve").status, 200);
    auto id = remote_->fingerprint();
    Got done;
    std::thread asker([&] {
        done = ask("POST", fmt::format("/api/machines/{}/command", id), R"({"line":"load x"})");
    });
    std::ignore = next_order();
    remote_.reset();
    asker.join();
    EXPECT_THAT(done.body, HasSubstr("the machine has gone"));
    EXPECT_EQ(ask("POST", fmt::format("/api/machines/{}/command", id), R"({"line":"x"})").status,
              409);
    EXPECT_EQ(ask("DELETE", "/api/machines/" + id).status, 200);
    EXPECT_EQ(ask("GET", "/api/machines/" + id).status, 404);
    remote_ =
        boot::Remote::start({.server = {.host = "127.0.0.1", .port = server_.port()}}).value();
}

} // namespace
} // namespace slipway::netboot
