// SPDX-License-Identifier: Apache-2.0
#include "network/dhcp6.hpp"

#include <algorithm>
#include <random>

#include <arpa/inet.h>
#include <linux/if_addr.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <fmt/format.h>

#include "base/units.hpp"
#include "network/netlink.hpp"
#include "sys/fd.hpp"
#include "sys/genetlink.hpp"

namespace slipway::network {
namespace {

using std::chrono::milliseconds;

constexpr std::uint16_t server_port = 547, client_port = 546;
constexpr auto all_servers = "ff02::1:2", all_routers = "ff02::2";
constexpr milliseconds first_wait{1000}, longest_wait{8000};
constexpr milliseconds before_link_has_address{250};
constexpr int poll_interval_ms = 100; // for requests to stop
constexpr int most_hops = 255;        // what comes from elsewhere has fewer (RFC 4861, 6.1.2)

sockaddr_in6 at(const char* address, std::uint16_t port, const Link& link) {
    sockaddr_in6 made{};
    made.sin6_family = AF_INET6;
    made.sin6_port = htons(port);
    made.sin6_scope_id = link.index;
    ::inet_pton(AF_INET6, address, &made.sin6_addr);
    return made;
}

// Questions to one group of machines on a link.
class Talk {
public:
    Talk(const Link& link, const Cancel& cancel) : link_(link), cancel_(cancel) {}

    Status open_for_routers() {
        SLIPWAY_CHECK(open(SOCK_RAW, IPPROTO_ICMPV6));
        icmp6_filter filter{};
        ICMP6_FILTER_SETBLOCKALL(&filter);
        ICMP6_FILTER_SETPASS(ND_ROUTER_ADVERT, &filter);
        int yes = 1;
        if (::setsockopt(socket_.raw(), IPPROTO_ICMPV6, ICMP6_FILTER, &filter, sizeof filter) !=
                0 ||
            ::setsockopt(socket_.raw(), IPPROTO_IPV6, IPV6_RECVHOPLIMIT, &yes, sizeof yes) != 0 ||
            ::setsockopt(socket_.raw(), IPPROTO_IPV6, IPV6_MULTICAST_HOPS, &most_hops,
                         sizeof most_hops) != 0)
            return fail_errno(fmt::format("listening to routers on {}", link_.name));
        peer_ = at(all_routers, 0, link_);
        only_neighbours_ = true;
        return {};
    }
    Status open_for_servers() {
        SLIPWAY_CHECK(open(SOCK_DGRAM, IPPROTO_UDP));
        auto own = at("::", client_port, link_);
        int yes = 1;
        if (::setsockopt(socket_.raw(), SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes) != 0 ||
            ::bind(socket_.raw(), reinterpret_cast<const sockaddr*>(&own), sizeof own) != 0)
            return fail_errno(fmt::format("listening for DHCP on {}", link_.name));
        peer_ = at(all_servers, server_port, link_);
        return {};
    }

    // Sends until `take` has what it wants, which it says by a value.
    template <class Make, class Take>
    auto say(Clock::time_point until, const std::string& nobody, Make make, Take take)
        -> Result<typename decltype(take(std::string_view()))::value_type> {
        for (auto wait = first_wait; Clock::now() < until;) {
            SLIPWAY_CHECK(cancel_.check());
            auto message = make();
            auto next = Clock::now() + wait;
            if (::sendto(socket_.raw(), message.data(), message.size(), 0,
                         reinterpret_cast<const sockaddr*>(&peer_), sizeof peer_) < 0)
                next = Clock::now() + before_link_has_address; // it looks for others that have it
            else
                wait = std::min(wait * 2, longest_wait);
            while (Clock::now() < std::min(next, until)) {
                SLIPWAY_CHECK(cancel_.check());
                if (auto got = hear())
                    if (auto taken = take(*got))
                        return *taken;
            }
        }
        return fail(Code::Timeout, nobody);
    }

private:
    Status open(int kind, int protocol) {
        socket_ = sys::OwnedFd(::socket(AF_INET6, kind | SOCK_CLOEXEC | SOCK_NONBLOCK, protocol));
        if (!socket_.valid())
            return fail_errno("this kernel has no IPv6");
        if (::setsockopt(socket_.raw(), SOL_SOCKET, SO_BINDTODEVICE, link_.name.c_str(),
                         static_cast<socklen_t>(link_.name.size() + 1)) != 0)
            return fail_errno(fmt::format("listening on {}", link_.name));
        return {};
    }

    std::optional<std::string> hear() const {
        pollfd poll{socket_.raw(), POLLIN, 0};
        if (::poll(&poll, 1, poll_interval_ms) <= 0)
            return std::nullopt;
        std::string bytes(4096, '\0');
        alignas(cmsghdr) std::array<char, 256> beside{};
        iovec place{bytes.data(), bytes.size()};
        msghdr message{};
        message.msg_iov = &place;
        message.msg_iovlen = 1;
        message.msg_control = beside.data();
        message.msg_controllen = beside.size();
        auto got = ::recvmsg(socket_.raw(), &message, 0);
        if (got <= 0)
            return std::nullopt;
        int hops = only_neighbours_ ? 0 : most_hops;
        for (auto* each = CMSG_FIRSTHDR(&message); each != nullptr;
             each = CMSG_NXTHDR(&message, each))
            if (each->cmsg_level == IPPROTO_IPV6 && each->cmsg_type == IPV6_HOPLIMIT)
                std::copy_n(CMSG_DATA(each), sizeof hops, reinterpret_cast<std::uint8_t*>(&hops));
        if (hops != most_hops)
            return std::nullopt;
        bytes.resize(static_cast<std::size_t>(got));
        return bytes;
    }

    const Link& link_;
    const Cancel& cancel_;
    sys::OwnedFd socket_;
    sockaddr_in6 peer_{};
    bool only_neighbours_ = false;
};

// One question to DHCP servers, until one gives an answer that is `good`.
template <class Good>
Result<Dhcp6Reply> ask(Dhcp6Request request, const Link& link, const DhcpOptions& options,
                       const Cancel& cancel, Good good) {
    Talk talk(link, cancel);
    SLIPWAY_CHECK(talk.open_for_servers());
    std::random_device random;
    request.transaction = random() & 0xffffff;
    request.mac = link.mac;
    auto began = Clock::now();
    auto make = [&] {
        auto passed = std::chrono::duration_cast<milliseconds>(Clock::now() - began).count() / 10;
        request.elapsed = static_cast<std::uint16_t>(std::min<long>(passed, 0xffff));
        return encode_dhcp6(request);
    };
    auto take = [&](std::string_view bytes) -> std::optional<Dhcp6Reply> {
        auto reply = decode_dhcp6(bytes, link.mac);
        if (!reply || reply->transaction != request.transaction)
            return std::nullopt;
        options.told(fmt::format("{}: DHCP answers {}{}", link.name,
                                 reply->address ? to_text(*reply->address) : "without an address",
                                 reply->refusal.empty() ? "" : ": " + reply->refusal));
        if (!good(*reply))
            return std::nullopt;
        return *reply;
    };
    return talk.say(began + options.limit,
                    fmt::format("no DHCP server answers on {} by IPv6", link.name), make, take);
}

Result<Dhcp6Reply> check_given(Result<Dhcp6Reply> reply) {
    if (reply && !reply->address)
        return fail(Code::NotFound,
                    fmt::format("the DHCP server gives no address: {}", reply->refusal));
    return reply;
}

bool is_reply(const Dhcp6Reply& reply) {
    return reply.type == Dhcp6Type::Reply;
}

} // namespace

Result<RouterAdvice> ask_routers(const Link& link, const DhcpOptions& options,
                                 const Cancel& cancel) {
    Talk talk(link, cancel);
    SLIPWAY_CHECK(talk.open_for_routers());
    return talk.say(
        Clock::now() + options.limit, fmt::format("no router answers on {} by IPv6", link.name),
        [&] { return encode_router_question(link.mac); },
        [](std::string_view bytes) -> std::optional<RouterAdvice> {
            auto advice = decode_router_advice(bytes);
            return advice ? std::optional(*advice) : std::nullopt;
        });
}

Result<Dhcp6Reply> ask_for_address6(const Link& link, const DhcpOptions& options,
                                    const Cancel& cancel) {
    SLIPWAY_TRY(auto offer, ask({.type = Dhcp6Type::Solicit}, link, options, cancel,
                                [](const Dhcp6Reply& reply) { return reply.address.has_value(); }));
    if (is_reply(offer))
        return offer; // at once, as we have proposed
    return check_given(
        ask({.type = Dhcp6Type::Request, .server = offer.server, .address = offer.address}, link,
            options, cancel, is_reply));
}

Result<Dhcp6Reply> ask_for_servers6(const Link& link, const DhcpOptions& options,
                                    const Cancel& cancel) {
    return ask({.type = Dhcp6Type::InformationRequest}, link, options, cancel, is_reply);
}

Result<Dhcp6Reply> renew_address6(const Link& link, const Dhcp6Reply& lease, bool any,
                                  const DhcpOptions& options, const Cancel& cancel) {
    Dhcp6Request request{.type = any ? Dhcp6Type::Rebind : Dhcp6Type::Renew,
                         .server = any ? "" : lease.server,
                         .address = lease.address};
    return check_given(ask(request, link, options, cancel, is_reply));
}

Status set_address6(const Link& link, const Address6& address, bool is_there) {
    ifaddrmsg header{};
    header.ifa_family = AF_INET6;
    header.ifa_prefixlen = 128; // what else is on the link, routers say
    header.ifa_index = link.index;
    sys::NetlinkAttributes attributes;
    attributes.add(IFA_LOCAL, {reinterpret_cast<const char*>(address.data()), address.size()});
    SLIPWAY_TRY(auto netlink, Netlink::open(NETLINK_ROUTE));
    return netlink.change(
        {static_cast<std::uint16_t>(is_there ? RTM_NEWADDR : RTM_DELADDR),
         bytes_of(header) + attributes.bytes()},
        is_there ? NLM_F_CREATE | NLM_F_REPLACE : 0,
        fmt::format("{} the address {}", is_there ? "setting" : "removing", to_text(address)));
}

} // namespace slipway::network
