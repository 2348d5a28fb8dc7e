// SPDX-License-Identifier: Apache-2.0
#include "http/resolve.hpp"

#include <algorithm>
#include <array>

#include <arpa/inet.h>
#include <event2/dns.h>
#include <event2/event.h>
#include <event2/util.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <fmt/format.h>

#include "http/handles.hpp"

namespace slipway::http {
namespace {

constexpr timeval look_interval{0, 100'000}; // for requests to stop

std::string text_of(const sockaddr* address) {
    std::array<char, INET6_ADDRSTRLEN> text{};
    const void* bytes = nullptr;
    if (address->sa_family == AF_INET)
        bytes = &reinterpret_cast<const sockaddr_in*>(address)->sin_addr;
    else if (address->sa_family == AF_INET6)
        bytes = &reinterpret_cast<const sockaddr_in6*>(address)->sin6_addr;
    if (bytes == nullptr ||
        ::inet_ntop(address->sa_family, bytes, text.data(), text.size()) == nullptr)
        return {};
    return text.data();
}

// libevent calls back into it.
struct Search {
    event_base* base;
    const Cancel& cancel;
    int error = EVUTIL_EAI_CANCEL;
    bool is_done = false;
    std::vector<std::string> found{};

    static void on_found(int error, evutil_addrinfo* all, void* self) {
        auto& search = *static_cast<Search*>(self);
        search.error = error;
        search.is_done = true;
        for (const auto* each = all; each != nullptr; each = each->ai_next)
            if (auto text = text_of(each->ai_addr);
                !text.empty() &&
                std::find(search.found.begin(), search.found.end(), text) == search.found.end())
                search.found.push_back(text);
        if (all != nullptr)
            evutil_freeaddrinfo(all);
        event_base_loopbreak(search.base);
    }
    static void on_look(evutil_socket_t, short, void* self) {
        auto& search = *static_cast<Search*>(self);
        if (search.cancel.requested())
            event_base_loopbreak(search.base);
    }
};

} // namespace

bool is_address(const std::string& host) {
    std::array<unsigned char, sizeof(in6_addr)> bytes{};
    return ::inet_pton(AF_INET, host.c_str(), bytes.data()) == 1 ||
           ::inet_pton(AF_INET6, host.c_str(), bytes.data()) == 1;
}

Result<std::vector<std::string>> resolve(const std::string& host, const Cancel& cancel) {
    SLIPWAY_CHECK(cancel.check());
    if (is_address(host))
        return std::vector{host};
    silence_libevent();
    EventBase base(event_base_new());
    if (!base)
        return fail(Code::Internal, "preparing to look up a name");
    Search search{.base = base.get(), .cancel = cancel};
    Dns dns = open_dns(base.get());
    if (!dns)
        return fail(Code::Internal, "preparing to look up a name");
    Event look(event_new(base.get(), -1, EV_PERSIST, &Search::on_look, &search));
    event_add(look.get(), &look_interval);
    evutil_addrinfo wanted{};
    wanted.ai_family = AF_UNSPEC;
    wanted.ai_socktype = SOCK_DGRAM;
    evdns_getaddrinfo(dns.get(), host.c_str(), nullptr, &wanted, &Search::on_found, &search);
    if (!search.is_done) // what /etc/hosts has is found at once
        event_base_dispatch(base.get());
    dns.reset(); // it may call back once more
    SLIPWAY_CHECK(cancel.check());
    if (search.found.empty())
        return fail(Code::NotFound,
                    fmt::format("looking up {}: {}", host, evutil_gai_strerror(search.error)));
    return search.found;
}

} // namespace slipway::http
