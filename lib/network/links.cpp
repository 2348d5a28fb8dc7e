// SPDX-License-Identifier: Apache-2.0
#include "network/links.hpp"

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <memory>

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <net/route.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <fmt/format.h>

#include "base/strings.hpp"
#include "sys/fd.hpp"
#include "sys/tree_walk.hpp"

namespace slipway::network {
namespace {

namespace fs = std::filesystem;
constexpr auto top = "/sys/class/net";

std::string attribute(const std::string& link, const std::string& name) {
    auto text = sys::read_file(fmt::format("{}/{}/{}", top, link, name));
    return text ? std::string(trim(*text)) : "";
}

ifreq request_for(const std::string& link) {
    ifreq request{};
    link.copy(request.ifr_name, IFNAMSIZ - 1);
    return request;
}

template <class Request>
Status change(unsigned long call, Request& request, const std::string& what) {
    sys::OwnedFd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    if (!socket.valid() || ::ioctl(socket.raw(), call, &request) != 0)
        return fail_errno(what);
    return {};
}

void put_address(sockaddr& into, Address4 address) {
    sockaddr_in given{};
    given.sin_family = AF_INET;
    given.sin_addr.s_addr = htonl(address);
    std::memcpy(&into, &given, sizeof given);
}

Address4 mask_of(unsigned bits) {
    return bits == 0 ? 0 : ~Address4{0} << (32 - std::min(bits, 32U));
}

std::optional<MacAddress> parse_mac(std::string_view text) {
    MacAddress mac{};
    auto parts = split(text, ':');
    if (parts.size() != mac.size())
        return std::nullopt;
    for (std::size_t each = 0; each < mac.size(); ++each)
        mac.at(each) =
            static_cast<std::uint8_t>(std::strtoul(std::string(parts[each]).c_str(), nullptr, 16));
    return mac;
}

unsigned bits_of(const sockaddr* mask) {
    if (mask == nullptr)
        return 0;
    const auto* bytes = mask->sa_family == AF_INET6
                            ? reinterpret_cast<const sockaddr_in6*>(mask)->sin6_addr.s6_addr
                            : reinterpret_cast<const std::uint8_t*>(
                                  &reinterpret_cast<const sockaddr_in*>(mask)->sin_addr);
    unsigned bits = 0;
    for (int each = 0; each < (mask->sa_family == AF_INET6 ? 16 : 4); ++each)
        bits += static_cast<unsigned>(std::popcount(bytes[each]));
    return bits;
}

} // namespace

std::string to_text(const MacAddress& mac) {
    return fmt::format("{:02x}", fmt::join(mac, ":"));
}

Result<std::vector<Link>> ethernet_links() {
    std::vector<Link> links;
    if (::access(top, R_OK | X_OK) != 0)
        return fail_errno(fmt::format("reading {}", top));
    for (const auto& name : sys::names_in(top)) {
        Link link{.name = name};
        auto mac = parse_mac(attribute(link.name, "address"));
        if (attribute(link.name, "type") != std::to_string(ARPHRD_ETHER) || !mac)
            continue;
        link.mac = *mac;
        link.index = ::if_nametoindex(link.name.c_str());
        link.is_up =
            (std::strtoul(attribute(link.name, "flags").c_str(), nullptr, 16) & IFF_UP) != 0;
        link.has_carrier = attribute(link.name, "carrier") == "1";
        std::error_code none;
        link.driver =
            fs::read_symlink(fmt::format("{}/{}/device/driver", top, name), none).filename();
        links.push_back(std::move(link));
    }
    std::sort(links.begin(), links.end(), [](const auto& a, const auto& b) {
        return std::pair(!a.has_carrier, a.index) < std::pair(!b.has_carrier, b.index);
    });
    return links;
}

Status set_up(const std::string& link, bool up) {
    auto request = request_for(link);
    SLIPWAY_CHECK(change(SIOCGIFFLAGS, request, fmt::format("looking at {}", link)));
    auto flags = static_cast<unsigned>(request.ifr_flags);
    flags = up ? flags | IFF_UP : flags & ~static_cast<unsigned>(IFF_UP);
    request.ifr_flags = static_cast<short>(flags);
    return change(SIOCSIFFLAGS, request, fmt::format("setting {} {}", link, up ? "up" : "down"));
}

Status set_address(const std::string& link, Address4 address, unsigned bits) {
    auto what = fmt::format("giving {} the address {}/{}", link, to_text(address), bits);
    auto request = request_for(link);
    put_address(request.ifr_addr, address);
    SLIPWAY_CHECK(change(SIOCSIFADDR, request, what));
    put_address(request.ifr_netmask, mask_of(bits));
    return change(SIOCSIFNETMASK, request, what);
}

Status add_route(const std::string& link, const Route4& route) {
    rtentry entry{};
    auto name = link;
    entry.rt_dev = name.data();
    put_address(entry.rt_dst, route.destination & mask_of(route.bits));
    put_address(entry.rt_genmask, mask_of(route.bits));
    put_address(entry.rt_gateway, route.gateway);
    entry.rt_flags = RTF_UP;
    if (route.gateway != 0)
        entry.rt_flags |= RTF_GATEWAY;
    auto added = change(SIOCADDRT, entry,
                        fmt::format("routing {}/{} by {}", to_text(route.destination), route.bits,
                                    to_text(route.gateway)));
    return !added && added.error().code == Code::Exists ? Status{} : added;
}

std::vector<std::string> addresses_of(const std::string& link) {
    ifaddrs* first = nullptr;
    if (::getifaddrs(&first) != 0)
        return {};
    std::unique_ptr<ifaddrs, decltype(&::freeifaddrs)> all(first, ::freeifaddrs);
    std::vector<std::string> found;
    for (const auto* each = first; each != nullptr; each = each->ifa_next) {
        if (each->ifa_addr == nullptr || each->ifa_name != link)
            continue;
        std::array<char, INET6_ADDRSTRLEN> text{};
        if (each->ifa_addr->sa_family == AF_INET)
            ::inet_ntop(AF_INET, &reinterpret_cast<const sockaddr_in*>(each->ifa_addr)->sin_addr,
                        text.data(), text.size());
        else if (each->ifa_addr->sa_family == AF_INET6) {
            const auto& address = reinterpret_cast<const sockaddr_in6*>(each->ifa_addr)->sin6_addr;
            if (!IN6_IS_ADDR_LINKLOCAL(&address))
                ::inet_ntop(AF_INET6, &address, text.data(), text.size());
        }
        if (text[0] != '\0')
            found.push_back(fmt::format("{}/{}", text.data(), bits_of(each->ifa_netmask)));
    }
    return found;
}

Result<Address4AndBits> parse_address(std::string_view text) {
    auto slash = text.find('/');
    in_addr address{};
    auto bits = slash == std::string_view::npos ? 32 : parse_number(text.substr(slash + 1));
    if (::inet_pton(AF_INET, std::string(text.substr(0, slash)).c_str(), &address) != 1 || !bits ||
        *bits > 32)
        return fail(Code::InvalidArgument, fmt::format("'{}' is no address", printable(text)),
                    "write it as in 192.168.1.10/24");
    return Address4AndBits{ntohl(address.s_addr), static_cast<unsigned>(*bits)};
}

} // namespace slipway::network
