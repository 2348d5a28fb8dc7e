// SPDX-License-Identifier: Apache-2.0
#include "network/clock.hpp"

#include <array>
#include <ctime>
#include <random>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <fmt/format.h>

#include "base/units.hpp"
#include "http/client.hpp"
#include "http/resolve.hpp"
#include "sys/fd.hpp"

namespace slipway::network {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr unsigned tries = 2;
constexpr int poll_interval_ms = 100; // for requests to stop
constexpr WallTime small = milliseconds(100);
constexpr seconds web_idle{10};

WallTime system_now() {
    timespec now{};
    ::clock_gettime(CLOCK_REALTIME, &now);
    return seconds(now.tv_sec) + WallTime(now.tv_nsec);
}

Status set_system(WallTime time) {
    auto whole = std::chrono::duration_cast<seconds>(time);
    timespec wanted{.tv_sec = whole.count(), .tv_nsec = (time - whole).count()};
    if (::clock_settime(CLOCK_REALTIME, &wanted) != 0)
        return fail_errno("setting the clock");
    return {};
}

std::string text_of(WallTime length) {
    auto days = length / std::chrono::hours(24);
    return days > 2 ? fmt::format("{} days", days)
                    : format_seconds(std::chrono::duration_cast<Seconds>(length).count());
}

// Of IPv4 or IPv6.
Result<sys::OwnedFd> connect_to(const std::string& address, std::uint16_t port) {
    sockaddr_storage place{};
    auto* four = reinterpret_cast<sockaddr_in*>(&place);
    auto* six = reinterpret_cast<sockaddr_in6*>(&place);
    socklen_t size = sizeof *four;
    if (::inet_pton(AF_INET, address.c_str(), &four->sin_addr) == 1) {
        four->sin_family = AF_INET;
        four->sin_port = htons(port);
    } else if (::inet_pton(AF_INET6, address.c_str(), &six->sin6_addr) == 1) {
        six->sin6_family = AF_INET6;
        six->sin6_port = htons(port);
        size = sizeof *six;
    }
    sys::OwnedFd made(
        ::socket(place.ss_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_UDP));
    if (!made.valid() ||
        ::connect(made.raw(), reinterpret_cast<const sockaddr*>(&place), size) != 0)
        return fail_errno(fmt::format("asking {} for the time", address));
    return made;
}

class Setting {
public:
    Setting(const ClockOptions& options, const Cancel& cancel)
        : options_(options), cancel_(cancel) {}

    Result<std::string> run() {
        Error last{.code = Code::NotFound, .what = "no time server is known"};
        for (const auto& server : options_.servers) {
            auto offset = ask_names(server);
            auto done = offset ? apply(now() + *offset, "the time server " + server)
                               : Result<std::string>(fail(offset.error()));
            if (done || done.error().code == Code::Cancelled)
                return done;
            last = std::move(done.error());
        }
        if (!options_.web || now() >= options_.not_before)
            return fail(std::move(last));
        SLIPWAY_TRY(auto time, ask_web());
        return apply(time, options_.web->host);
    }

private:
    [[nodiscard]] WallTime now() const { return options_.now ? options_.now() : system_now(); }

    Result<WallTime> ask_names(const std::string& server) {
        SLIPWAY_TRY(auto addresses, http::resolve(server, cancel_));
        Error last;
        for (const auto& address : addresses) {
            auto offset = ask(address);
            if (offset || offset.error().code == Code::Cancelled)
                return offset;
            last = std::move(offset.error());
        }
        return fail(std::move(last));
    }

    Result<WallTime> ask(const std::string& address) {
        SLIPWAY_TRY(auto socket, connect_to(address, options_.port));
        for (unsigned each = 0; each < tries; ++each) {
            auto cookie = std::uint64_t{random_()} << 32 | random_();
            auto message = encode_ntp(cookie);
            auto asked = now();
            // One that is refused is told at the next call: the second try has the reason.
            if (::send(socket.raw(), message.data(), message.size(), 0) < 0 && each > 0)
                return fail_errno(fmt::format("asking {} for the time", address));
            SLIPWAY_TRY(auto reply, listen(socket, cookie));
            if (reply)
                return ntp_offset(*reply, asked, now());
        }
        return fail(Code::Timeout, fmt::format("the time server {} does not answer", address));
    }

    Result<std::optional<NtpReply>> listen(const sys::OwnedFd& socket, std::uint64_t cookie) const {
        std::array<char, 1024> bytes{};
        for (auto until = Clock::now() + options_.wait; Clock::now() < until;) {
            SLIPWAY_CHECK(cancel_.check());
            pollfd poll{socket.raw(), POLLIN, 0};
            if (::poll(&poll, 1, poll_interval_ms) <= 0)
                continue;
            auto got = ::recv(socket.raw(), bytes.data(), bytes.size(), 0);
            if (got < 0)
                return std::nullopt;
            if (auto reply = decode_ntp({bytes.data(), static_cast<std::size_t>(got)}, cookie))
                return *reply; // else it is not for us, or of no use
        }
        return std::nullopt;
    }

    Result<WallTime> ask_web() const {
        SLIPWAY_TRY(auto client, http::Client::open({.insecure = true, .idle = web_idle}));
        SLIPWAY_TRY(auto response, client.exchange({.url = *options_.web, .method = "HEAD"},
                                                   http::Sink(), cancel_));
        auto date = response.headers.find("date");
        auto time = date == response.headers.end() ? std::nullopt : parse_http_date(date->second);
        if (!time)
            return fail(Code::NotFound,
                        fmt::format("{} does not say what time it is", options_.web->host));
        return *time;
    }

    [[nodiscard]] Result<std::string> apply(WallTime time, const std::string& who) const {
        auto shown = format_utc(std::chrono::duration_cast<seconds>(time).count());
        if (time < options_.not_before)
            return fail(Code::Corrupt, fmt::format("{} says that it is {}, which was before this "
                                                   "program was built",
                                                   who, shown));
        auto offset = time - now();
        if (std::chrono::abs(offset) < small)
            return fmt::format("the clock is right, by {}: {}", who, shown);
        SLIPWAY_CHECK(options_.set ? options_.set(time) : set_system(time));
        return fmt::format("the clock was set {} by {}, by {}: {}",
                           offset > WallTime(0) ? "forward" : "back",
                           text_of(std::chrono::abs(offset)), who, shown);
    }

    const ClockOptions& options_;
    const Cancel& cancel_;
    std::random_device random_;
};

} // namespace

Result<std::string> set_clock(const ClockOptions& options, const Cancel& cancel) {
    return Setting(options, cancel).run();
}

std::optional<WallTime> parse_http_date(const std::string& text) {
    std::tm parts{};
    const auto* end = ::strptime(text.c_str(), "%a, %d %b %Y %H:%M:%S GMT", &parts);
    if (end == nullptr || *end != '\0')
        return std::nullopt;
    return seconds(::timegm(&parts));
}

} // namespace slipway::network
