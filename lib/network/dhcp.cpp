// SPDX-License-Identifier: Apache-2.0
#include "network/dhcp.hpp"

#include <algorithm>
#include <random>

#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <fmt/format.h>

#include "base/units.hpp"
#include "sys/fd.hpp"

namespace slipway::network {
namespace {

using std::chrono::milliseconds;

constexpr std::uint16_t server_port = 67, client_port = 68;
constexpr milliseconds first_wait{1000}, longest_wait{8000};
constexpr int poll_interval_ms = 100; // for requests to stop

std::string_view name_of(DhcpType type) {
    switch (type) {
    case DhcpType::Discover:
        return "DISCOVER";
    case DhcpType::Offer:
        return "OFFER";
    case DhcpType::Request:
        return "REQUEST";
    case DhcpType::Ack:
        return "ACK";
    case DhcpType::Nak:
        return "NAK";
    default:
        return "message";
    }
}

sockaddr_in at(Address4 address, std::uint16_t port) {
    sockaddr_in made{};
    made.sin_family = AF_INET;
    made.sin_port = htons(port);
    made.sin_addr.s_addr = htonl(address);
    return made;
}

// A conversation about one link.
class Talk {
public:
    static Result<Talk> open(const Link& link, const DhcpOptions& options, const Cancel& cancel) {
        Talk talk(link, options, cancel);
        talk.socket_ =
            sys::OwnedFd(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_UDP));
        int yes = 1;
        auto own = at(INADDR_ANY, client_port);
        auto fd = talk.socket_.raw();
        if (fd < 0 || ::setsockopt(fd, SOL_SOCKET, SO_BROADCAST, &yes, sizeof yes) != 0 ||
            ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes) != 0 ||
            ::setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, link.name.c_str(),
                         static_cast<socklen_t>(link.name.size() + 1)) != 0 ||
            ::bind(fd, reinterpret_cast<const sockaddr*>(&own), sizeof own) != 0)
            return fail_errno(fmt::format("listening for DHCP on {}", link.name));
        return talk;
    }

    // Says it again, after longer and longer waits, until `good` takes an answer.
    template <class Good>
    Result<DhcpReply> say(DhcpRequest request, Address4 to, Clock::time_point until, Good good) {
        request.transaction = transaction_;
        request.mac = link_.mac;
        request.hostname = options_.hostname;
        auto wait = first_wait;
        while (Clock::now() < until) {
            request.seconds = static_cast<std::uint16_t>(
                std::chrono::duration_cast<std::chrono::seconds>(Clock::now() - began_).count());
            options_.told(
                fmt::format("{}: DHCP {}{} to {}", link_.name, name_of(request.type),
                            request.wanted ? " of " + to_text(*request.wanted) : "", to_text(to)));
            SLIPWAY_CHECK(send(encode_dhcp(request), to));
            auto next = std::min(until, Clock::now() + jittered(wait));
            SLIPWAY_TRY(auto answer, listen(next, good));
            if (answer)
                return *answer;
            wait = std::min(wait * 2, longest_wait);
        }
        return fail(Code::Timeout, fmt::format("no DHCP server answers on {}", link_.name),
                    "look at the cable and the server, or give the machine an address with "
                    "slipway.ip=");
    }

private:
    Talk(const Link& link, const DhcpOptions& options, const Cancel& cancel)
        : link_(link), options_(options), cancel_(cancel), transaction_(std::random_device{}()) {}

    Status send(const std::string& message, Address4 to) const {
        auto peer = at(to, server_port);
        if (::sendto(socket_.raw(), message.data(), message.size(), 0,
                     reinterpret_cast<const sockaddr*>(&peer), sizeof peer) < 0 &&
            errno != ENETDOWN && errno != ENETUNREACH && errno != ENOBUFS)
            return fail_errno(fmt::format("asking for an address on {}", link_.name));
        return {}; // a link that is not ready yet will be
    }

    template <class Good>
    Result<std::optional<DhcpReply>> listen(Clock::time_point until, Good good) {
        std::array<char, 4096> bytes{};
        while (Clock::now() < until) {
            SLIPWAY_CHECK(cancel_.check());
            pollfd poll{socket_.raw(), POLLIN, 0};
            if (::poll(&poll, 1, poll_interval_ms) <= 0)
                continue;
            auto got = ::recv(socket_.raw(), bytes.data(), bytes.size(), 0);
            if (got <= 0)
                continue;
            auto reply = decode_dhcp({bytes.data(), static_cast<std::size_t>(got)});
            if (!reply || reply->transaction != transaction_ || reply->mac != link_.mac)
                continue;
            options_.told(fmt::format("{}: DHCP {} of {}/{} by {}, for {} s", link_.name,
                                      name_of(reply->type), to_text(reply->address),
                                      reply->bits, to_text(reply->server), reply->lease));
            if (good(*reply))
                return *reply;
        }
        return std::nullopt;
    }

    milliseconds jittered(milliseconds wait) {
        return wait + milliseconds(static_cast<long>(random_() % 500));
    }

    const Link& link_;
    const DhcpOptions& options_;
    const Cancel& cancel_;
    sys::OwnedFd socket_;
    std::uint32_t transaction_;
    std::minstd_rand random_{transaction_};
    Clock::time_point began_ = Clock::now();
};

bool is_answer(const DhcpReply& reply) {
    return reply.type == DhcpType::Ack || reply.type == DhcpType::Nak;
}

} // namespace

Result<DhcpReply> ask_for_address(const Link& link, const DhcpOptions& options,
                                  const Cancel& cancel) {
    auto until = Clock::now() + options.limit;
    while (true) {
        SLIPWAY_TRY(auto talk, Talk::open(link, options, cancel));
        SLIPWAY_TRY(auto offer,
                    talk.say({.type = DhcpType::Discover}, INADDR_BROADCAST, until,
                             [](const DhcpReply& reply) { return reply.type == DhcpType::Offer; }));
        SLIPWAY_TRY(
            auto answer,
            talk.say({.type = DhcpType::Request, .wanted = offer.address, .server = offer.server},
                     INADDR_BROADCAST, std::min(until, Clock::now() + longest_wait), is_answer));
        if (answer.type == DhcpType::Ack)
            return answer; // else somebody else was faster
    }
}

Result<DhcpReply> renew_address(const Link& link, const DhcpReply& lease,
                                const DhcpOptions& options, const Cancel& cancel) {
    SLIPWAY_TRY(auto talk, Talk::open(link, options, cancel));
    SLIPWAY_TRY(auto answer, talk.say({.type = DhcpType::Request, .current = lease.address},
                                      lease.server, Clock::now() + options.limit, is_answer));
    if (answer.type == DhcpType::Nak)
        return fail(Code::Busy,
                    fmt::format("the DHCP server takes {} back", to_text(lease.address)));
    return answer;
}

Status apply_lease(const Link& link, const DhcpReply& lease) {
    SLIPWAY_CHECK(set_address(link.name, lease.address, lease.bits));
    auto routes = lease.routes;
    // A gateway may lie behind a route of its own.
    std::stable_sort(routes.begin(), routes.end(),
                     [](const auto& a, const auto& b) { return a.bits > b.bits; });
    for (const auto& route : routes)
        SLIPWAY_CHECK(add_route(link.name, route));
    return {};
}

} // namespace slipway::network
