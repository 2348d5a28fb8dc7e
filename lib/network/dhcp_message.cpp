// SPDX-License-Identifier: Apache-2.0
#include "network/dhcp_message.hpp"

#include <algorithm>
#include <bit>

#include <fmt/format.h>

#include "base/strings.hpp"

namespace slipway::network {
namespace {

constexpr std::size_t header_size = 236;
constexpr std::string_view magic{"\x63\x82\x53\x63", 4};
constexpr std::size_t smallest = 300; // bytes; some relays drop shorter ones (RFC 1542)
constexpr std::size_t server_name_at = 44, server_name_size = 64, file_at = 108, file_size = 128;

enum Option : std::uint8_t {
    Pad = 0,
    Netmask = 1,
    Router = 3,
    NameServers = 6,
    Hostname = 12,
    Domain = 15,
    TimeServers = 42,
    WantedAddress = 50,
    Lease = 51,
    Overload = 52,
    Type = 53,
    Server = 54,
    Wishes = 55,
    LargestMessage = 57,
    RenewAfter = 58,
    RebindAfter = 59,
    ClientId = 61,
    Routes = 121,
    End = 255
};

std::string number(std::uint64_t value, std::size_t bytes) {
    std::string text;
    for (std::size_t at = bytes; at-- > 0;)
        text += static_cast<char>(value >> (8 * at));
    return text;
}

std::uint32_t number_at(std::string_view bytes, std::size_t at, std::size_t size = 4) {
    std::uint32_t value = 0;
    for (std::size_t each = at; each < at + size && each < bytes.size(); ++each)
        value = value << 8 | static_cast<std::uint8_t>(bytes[each]);
    return value;
}

void add_option(std::string& message, Option code, std::string_view value) {
    value = value.substr(0, 255);
    message += static_cast<char>(code);
    message += static_cast<char>(value.size());
    message += value;
}

using Options = std::map<std::uint8_t, std::string>;

// Options that come more than once are one (RFC 3396).
void read_options(std::string_view bytes, Options& options) {
    while (!bytes.empty() && static_cast<std::uint8_t>(bytes.front()) != End) {
        auto code = static_cast<std::uint8_t>(bytes.front());
        bytes.remove_prefix(1);
        if (code == Pad)
            continue;
        if (bytes.empty())
            return;
        auto size = static_cast<std::uint8_t>(bytes.front());
        bytes.remove_prefix(1);
        options[code] += bytes.substr(0, size);
        bytes.remove_prefix(std::min<std::size_t>(size, bytes.size()));
    }
}

std::vector<Address4> addresses(const std::string& value) {
    std::vector<Address4> found;
    for (std::size_t at = 0; at + 4 <= value.size(); at += 4)
        found.push_back(number_at(value, at));
    return found;
}

// RFC 3442: bits, as many bytes of the destination as they need, the gateway.
std::vector<Route4> classless_routes(std::string_view value) {
    std::vector<Route4> routes;
    while (!value.empty()) {
        Route4 route{.bits = static_cast<std::uint8_t>(value.front())};
        auto bytes = (route.bits + 7) / 8;
        if (route.bits > 32 || value.size() < 1 + bytes + 4)
            return {};
        route.destination = bytes == 0 ? 0 : number_at(value, 1, bytes) << (32 - 8 * bytes);
        route.gateway = number_at(value, 1 + bytes);
        value.remove_prefix(1 + bytes + 4);
        routes.push_back(route);
    }
    return routes;
}

// As it may be used in files of the bootstrap.
std::string name_in(const Options& options, Option code) {
    auto found = options.find(code);
    if (found == options.end())
        return {};
    auto text = std::string(found->second.c_str());
    bool good = std::all_of(text.begin(), text.end(), [](unsigned char each) {
        return std::isalnum(each) != 0 || each == '.' || each == '-' || each == '_';
    });
    return good ? text : "";
}

std::uint32_t number_in(const Options& options, Option code, std::uint32_t otherwise) {
    auto found = options.find(code);
    return found == options.end() || found->second.size() != 4 ? otherwise
                                                               : number_at(found->second, 0);
}

} // namespace

std::string to_text(Address4 address) {
    return fmt::format("{}.{}.{}.{}", address >> 24, address >> 16 & 0xff, address >> 8 & 0xff,
                       address & 0xff);
}

std::string encode_dhcp(const DhcpRequest& request) {
    std::string mac(request.mac.begin(), request.mac.end());
    std::string message{"\x01\x01\x06\x00", 4}; // a request, of Ethernet
    message += number(request.transaction, 4) + number(request.seconds, 2);
    message +=
        number(request.current == 0 ? 0x8000 : 0, 2); // answers by broadcast, until we have one
    message += number(request.current, 4) + std::string(12, '\0') + mac;
    message.resize(header_size);
    message += magic;
    add_option(message, Type, number(static_cast<std::uint8_t>(request.type), 1));
    add_option(message, ClientId, "\x01" + mac);
    if (request.wanted)
        add_option(message, WantedAddress, number(*request.wanted, 4));
    if (request.server)
        add_option(message, Server, number(*request.server, 4));
    if (!request.hostname.empty())
        add_option(message, Hostname, request.hostname);
    add_option(message, LargestMessage, number(1472, 2));
    add_option(message, Wishes,
               std::string{static_cast<char>(Netmask), static_cast<char>(Routes),
                           static_cast<char>(Router), static_cast<char>(NameServers),
                           static_cast<char>(Hostname), static_cast<char>(Domain),
                           static_cast<char>(TimeServers), static_cast<char>(Lease),
                           static_cast<char>(RenewAfter), static_cast<char>(RebindAfter)});
    message += static_cast<char>(End);
    message.resize(std::max(message.size(), smallest));
    return message;
}

Result<DhcpReply> decode_dhcp(std::string_view bytes) {
    if (bytes.size() < header_size + magic.size() || bytes[0] != 2 || bytes[1] != 1 ||
        bytes[2] != 6 || bytes.substr(header_size, magic.size()) != magic)
        return fail(Code::Corrupt, "this is no reply of a DHCP server");
    Options options;
    read_options(bytes.substr(header_size + magic.size()), options);
    auto overload = options.contains(Overload) ? number_at(options[Overload], 0, 1) : 0;
    if ((overload & 1) != 0)
        read_options(bytes.substr(file_at, file_size), options);
    if ((overload & 2) != 0)
        read_options(bytes.substr(server_name_at, server_name_size), options);
    auto type = options.contains(Type) ? number_at(options[Type], 0, 1) : 0;
    if (type != 2 && type != 5 && type != 6)
        return fail(Code::Corrupt, "this is no offer of a DHCP server");
    DhcpReply reply{.type = static_cast<DhcpType>(type),
                    .transaction = number_at(bytes, 4),
                    .address = number_at(bytes, 16)};
    std::copy_n(bytes.begin() + 28, reply.mac.size(), reply.mac.begin());
    reply.server = number_in(options, Server, number_at(bytes, 20));
    if (reply.type == DhcpType::Nak)
        return reply;
    if (reply.address == 0 || reply.address == ~Address4{0} || reply.address >> 24 == 127)
        return fail(Code::Corrupt,
                    fmt::format("a DHCP server offers the address {}", to_text(reply.address)));
    auto mask = number_in(options, Netmask, 0xffffff00);
    reply.bits = static_cast<unsigned>(std::countl_one(mask));
    reply.name_servers = addresses(options[NameServers]);
    reply.time_servers = addresses(options[TimeServers]);
    reply.routes = classless_routes(options[Routes]);
    if (auto routers = addresses(options[Router]); reply.routes.empty() && !routers.empty())
        reply.routes.push_back({.gateway = routers.front()});
    reply.domain = name_in(options, Domain);
    reply.hostname = name_in(options, Hostname);
    // RFC 2131, 4.4.5.
    reply.lease = std::max(number_in(options, Lease, reply.lease), std::uint32_t{60});
    reply.renew_after = std::min(number_in(options, RenewAfter, reply.lease / 2), reply.lease);
    reply.rebind_after = std::clamp(number_in(options, RebindAfter, reply.lease / 8 * 7),
                                    reply.renew_after, reply.lease);
    return reply;
}

} // namespace slipway::network
