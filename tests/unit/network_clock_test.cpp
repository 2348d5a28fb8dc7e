// SPDX-License-Identifier: Apache-2.0
// With a time server of one thread, and a clock that is a number.
#include "network/clock.hpp"

#include <array>
#include <atomic>
#include <thread>

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include "http/server.hpp"
#include "sys/fd.hpp"

namespace slipway::network {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::AllOf;
using testing::HasSubstr;
using namespace std::string_literals;

constexpr WallTime in_2026 = seconds(1'780'000'000);

std::string stamp(std::uint32_t whole, std::uint32_t fraction = 0) {
    std::string text;
    for (auto value : {whole, fraction})
        for (int shift : {24, 16, 8, 0})
            text += static_cast<char>(value >> shift);
    return text;
}

std::string answer(const std::string& question, const std::string& time, char first = 0x24,
                   char stratum = 2) {
    return first + (stratum + std::string(22, '\0')) + question.substr(40, 8) + time + time;
}

TEST(Ntp, QuestionAndAnswer) {
    auto question = encode_ntp(0x0102030405060708);
    EXPECT_EQ(question.size(), 48);
    EXPECT_EQ(question[0], 0x23);
    EXPECT_EQ(question.substr(40), "\x01\x02\x03\x04\x05\x06\x07\x08");
    auto reply =
        decode_ntp(answer(question, stamp(2'208'988'800U + 100, 0x80000000)), 0x0102030405060708);
    ASSERT_TRUE(reply) << render_text(reply.error());
    EXPECT_EQ(reply->sent, milliseconds(100'500));
    EXPECT_EQ(ntp_offset(*reply, seconds(10), seconds(11)), seconds(90));
    auto later = decode_ntp(answer(question, stamp(100)), 0x0102030405060708).value();
    EXPECT_EQ(later.sent, seconds((std::int64_t{1} << 32) - 2'208'988'800 + 100)) << "in 2036";
}

TEST(Ntp, WhatIsNoAnswer) {
    auto question = encode_ntp(7);
    auto time = stamp(3'900'000'000);
    EXPECT_TRUE(decode_ntp(answer(question, time), 7));
    EXPECT_FALSE(decode_ntp(answer(question, time), 8)) << "to somebody else's question";
    EXPECT_FALSE(decode_ntp(answer(question, time, 0x23), 7)) << "a question";
    EXPECT_FALSE(decode_ntp(answer(question, time, '\xe4'), 7)) << "not synchronised";
    EXPECT_FALSE(decode_ntp(answer(question, time, 0x24, 0), 7)) << "kiss of death";
    EXPECT_FALSE(decode_ntp(answer(question, time, 0x24, 16), 7));
    EXPECT_FALSE(decode_ntp(answer(question, stamp(0)), 7));
    EXPECT_FALSE(decode_ntp(answer(question, time).substr(1), 7));
    EXPECT_FALSE(decode_ntp("", 7));
}

TEST(HttpDate, OfTheOneForm) {
    EXPECT_EQ(parse_http_date("Sun, 06 Nov 1994 08:49:37 GMT"), seconds(784111777));
    for (const auto* odd : {"", "now", "Sunday, 06-Nov-94 08:49:37 GMT",
                            "Sun, 06 Nov 1994 08:49:37 GMT x", "Sun, 06 Nov 1994 08:49:37"})
        EXPECT_FALSE(parse_http_date(odd)) << odd;
}

class Clocks : public testing::Test {
protected:
    void SetUp() override {
        socket_ = sys::OwnedFd(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
        sockaddr_in place{};
        place.sin_family = AF_INET;
        place.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        socklen_t size = sizeof place;
        auto* general = reinterpret_cast<sockaddr*>(&place);
        ASSERT_EQ(::bind(socket_.raw(), general, size), 0);
        ASSERT_EQ(::getsockname(socket_.raw(), general, &size), 0);
        options_.port = ntohs(place.sin_port);
        options_.servers = {"127.0.0.1"};
        options_.wait = milliseconds(200);
        options_.not_before = in_2026;
        options_.now = [this] { return clock_; };
        options_.set = [this](WallTime time) -> Status {
            clock_ = time;
            return {};
        };
        thread_ = std::thread([this] { answer_all(); });
        web_.handle("/", [](const http::Asked&, const http::Answer& answer) {
            answer.say({.headers = {{"Date", "Mon, 01 Jun 2026 00:00:00 GMT"}}});
        });
        web_thread_ = std::thread([this] { (void)web_.run(stop_).has_value(); });
    }
    void TearDown() override {
        stop_.request();
        thread_.join();
        web_thread_.join();
    }
    void answer_all() {
        pollfd poll{socket_.raw(), POLLIN, 0};
        while (!stop_.requested()) {
            if (::poll(&poll, 1, 20) <= 0)
                continue;
            std::array<char, 100> bytes{};
            sockaddr_in peer{};
            socklen_t size = sizeof peer;
            auto* general = reinterpret_cast<sockaddr*>(&peer);
            auto got = ::recvfrom(socket_.raw(), bytes.data(), bytes.size(), 0, general, &size);
            if (got < 48 || is_silent_)
                continue;
            auto since_1970 = std::chrono::duration_cast<seconds>(server_time_).count();
            auto said = answer({bytes.data(), 48},
                               stamp(static_cast<std::uint32_t>(since_1970 + 2'208'988'800)));
            ::sendto(socket_.raw(), said.data(), said.size(), 0, general, size);
        }
    }
    void use_web() {
        options_.web =
            http::parse_url("http://127.0.0.1:" + std::to_string(web_.port()) + "/a.img").value();
    }
    std::string set() {
        auto done = set_clock(options_, stop_);
        return done ? *done : "not set: " + render_line(done.error());
    }

    WallTime clock_ = seconds(100), server_time_ = in_2026 + hours(1);
    std::atomic<bool> is_silent_{false};
    ClockOptions options_;

private:
    sys::OwnedFd socket_;
    http::Server web_ = http::Server::open({}).value();
    Cancel stop_;
    std::thread thread_, web_thread_;
};

TEST_F(Clocks, AreSetByATimeServer) {
    EXPECT_THAT(set(), AllOf(HasSubstr("set forward by 20601 days, "),
                             HasSubstr("by the time server 127.0.0.1: 2026-05-28 21:26:40 UTC")));
    EXPECT_EQ(clock_, server_time_);
    EXPECT_THAT(set(), HasSubstr("the clock is right"));
    clock_ += hours(2);
    EXPECT_THAT(set(), HasSubstr("set back by 120 min 0 s"));
}

TEST_F(Clocks, AreNotSetToATimeBeforeTheProgram) {
    server_time_ = in_2026 - seconds(1);
    EXPECT_THAT(set(), HasSubstr("before this program was built"));
    EXPECT_EQ(clock_, seconds(100));
}

TEST_F(Clocks, AreSetByTheWebWhereTheyAreWrongForCertain) {
    is_silent_ = true;
    EXPECT_THAT(set(), HasSubstr("127.0.0.1 does not answer"));
    use_web();
    EXPECT_THAT(set(), HasSubstr("by 127.0.0.1: 2026-06-01 00:00:00 UTC"));
    clock_ = in_2026 + hours(1);
    EXPECT_THAT(set(), HasSubstr("does not answer")) << "it may be right";
    EXPECT_EQ(clock_, in_2026 + hours(1));
}

TEST_F(Clocks, HaveNoServer) {
    options_.servers = {};
    EXPECT_THAT(set(), HasSubstr("no time server is known"));
    use_web();
    EXPECT_THAT(set(), HasSubstr("set forward"));
}

} // namespace
} // namespace slipway::network
