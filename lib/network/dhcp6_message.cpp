// SPDX-License-Identifier: Apache-2.0
#include "network/dhcp6_message.hpp"

#include <algorithm>

#include <arpa/inet.h>

#include "base/strings.hpp"

namespace slipway::network {
namespace {

// ICMPv6.
constexpr char router_question = static_cast<char>(133), router_advice = static_cast<char>(134);
constexpr std::size_t advice_size = 16;
constexpr unsigned source_address = 1, prefix = 3, recursive_servers = 25;
constexpr unsigned managed = 0x80, more = 0x40, autonomous = 0x40;
// DHCP.
constexpr std::uint16_t client_id = 1, server_id = 2, addresses = 3, address = 5, wishes = 6,
                        elapsed_time = 8, status_code = 13, rapid_commit = 14, name_servers = 23;
constexpr std::uint32_t own_association = 1; // one link, one address
constexpr std::uint32_t shortest_lease = 60, longest_lease = 30 * 24 * 3600; // seconds

unsigned byte_at(std::string_view bytes, std::size_t at) {
    return at < bytes.size() ? static_cast<std::uint8_t>(bytes[at]) : 0;
}

std::uint32_t number_at(std::string_view bytes, std::size_t at, std::size_t size) {
    std::uint32_t value = 0;
    for (std::size_t each = at; each < at + size; ++each)
        value = value << 8 | byte_at(bytes, each);
    return value;
}

std::string number(std::uint32_t value, std::size_t size) {
    std::string text;
    for (auto at = size; at-- > 0;)
        text += static_cast<char>(value >> (8 * at));
    return text;
}

std::string option(std::uint16_t code, const std::string& value) {
    return number(code, 2) + number(static_cast<std::uint32_t>(value.size()), 2) + value;
}

void add_addresses(std::string_view bytes, std::vector<Address6>& into) {
    for (; bytes.size() >= sizeof(Address6); bytes.remove_prefix(sizeof(Address6))) {
        Address6 found{};
        std::copy_n(bytes.begin(), found.size(), found.begin());
        into.push_back(found);
    }
}

// Calls with code and value of each; what is cut off is left out.
template <class Take> void each_option(std::string_view bytes, Take take) {
    while (bytes.size() >= 4) {
        auto size = number_at(bytes, 2, 2);
        if (bytes.size() < 4 + size)
            return;
        take(number_at(bytes, 0, 2), bytes.substr(4, size));
        bytes.remove_prefix(4 + size);
    }
}

// DUID-LL, as the machine has nothing that lasts.
std::string identity(const MacAddress& mac) {
    return number(3, 2) + number(1, 2) + std::string(mac.begin(), mac.end());
}

std::string refusal(std::string_view status) {
    return number_at(status, 0, 2) == 0 || status.size() < 2
               ? ""
               : printable(status.size() > 2 ? status.substr(2) : "it has none");
}

void read_addresses(std::string_view value, Dhcp6Reply& reply) {
    if (value.size() < 12 || number_at(value, 0, 4) != own_association)
        return;
    reply.renew_after = number_at(value, 4, 4);
    reply.rebind_after = number_at(value, 8, 4);
    each_option(value.substr(12), [&](std::uint32_t code, std::string_view inner) {
        if (code == status_code)
            reply.refusal = refusal(inner);
        if (code != address || inner.size() < 24 || number_at(inner, 20, 4) == 0)
            return; // or it is taken back
        std::vector<Address6> found;
        add_addresses(inner.substr(0, 16), found);
        reply.address = found.front();
        reply.lease = number_at(inner, 20, 4);
    });
}

} // namespace

std::string to_text(const Address6& address) {
    std::array<char, INET6_ADDRSTRLEN> text{};
    ::inet_ntop(AF_INET6, address.data(), text.data(), text.size());
    return text.data();
}

Result<RouterAdvice> decode_router_advice(std::string_view bytes) {
    if (bytes.size() < advice_size || bytes[0] != router_advice || bytes[1] != 0)
        return fail(Code::Corrupt, "this is nothing that a router says");
    RouterAdvice advice{.is_managed = (byte_at(bytes, 5) & managed) != 0,
                        .has_more = (byte_at(bytes, 5) & more) != 0};
    bytes.remove_prefix(advice_size);
    while (bytes.size() >= 8) {
        auto size = std::size_t{8} * byte_at(bytes, 1);
        if (size == 0 || size > bytes.size())
            break;
        auto kind = byte_at(bytes, 0);
        if (kind == prefix && size >= 32 && (byte_at(bytes, 3) & autonomous) != 0)
            advice.has_addresses = true;
        if (kind == recursive_servers && number_at(bytes, 4, 4) != 0)
            add_addresses(bytes.substr(8, size - 8), advice.name_servers);
        bytes.remove_prefix(size);
    }
    return advice;
}

std::string encode_router_question(const MacAddress& mac) {
    std::string message(8, '\0');
    message[0] = router_question; // the kernel adds the checksum
    return message + static_cast<char>(source_address) + '\x01' +
           std::string(mac.begin(), mac.end());
}

std::string encode_dhcp6(const Dhcp6Request& request) {
    auto message = number(static_cast<std::uint32_t>(request.type), 1) +
                   number(request.transaction, 3) + option(client_id, identity(request.mac));
    if (!request.server.empty())
        message += option(server_id, request.server);
    message += option(elapsed_time, number(request.elapsed, 2));
    message += option(wishes, number(name_servers, 2));
    if (request.type == Dhcp6Type::InformationRequest)
        return message;
    if (request.type == Dhcp6Type::Solicit)
        message += option(rapid_commit, "");
    auto association = number(own_association, 4) + number(0, 8);
    if (request.address)
        association += option(
            address, std::string(request.address->begin(), request.address->end()) + number(0, 8));
    return message + option(addresses, association);
}

Result<Dhcp6Reply> decode_dhcp6(std::string_view bytes, const MacAddress& mac) {
    auto type = byte_at(bytes, 0);
    if (bytes.size() < 4 || (type != static_cast<unsigned>(Dhcp6Type::Advertise) &&
                             type != static_cast<unsigned>(Dhcp6Type::Reply)))
        return fail(Code::Corrupt, "this is no answer of a DHCP server");
    Dhcp6Reply reply{.type = static_cast<Dhcp6Type>(type), .transaction = number_at(bytes, 1, 3)};
    bool is_ours = false;
    each_option(bytes.substr(4), [&](std::uint32_t code, std::string_view value) {
        if (code == client_id)
            is_ours = value == identity(mac);
        else if (code == server_id)
            reply.server = value;
        else if (code == status_code)
            reply.refusal = refusal(value);
        else if (code == name_servers)
            add_addresses(value, reply.name_servers);
        else if (code == addresses)
            read_addresses(value, reply);
    });
    if (!is_ours || reply.server.empty())
        return fail(Code::Corrupt, "this answer of a DHCP server is for another machine");
    if (reply.address && ((*reply.address)[0] == 0xff || *reply.address == Address6{}))
        return fail(Code::Corrupt, "a DHCP server offers the address " + to_text(*reply.address));
    // RFC 8415, 21.4: 0 leaves it to us.
    reply.lease = std::clamp(reply.lease, shortest_lease, longest_lease);
    if (reply.renew_after == 0 || reply.renew_after > reply.lease)
        reply.renew_after = reply.lease / 2;
    if (reply.rebind_after == 0)
        reply.rebind_after = reply.lease / 5 * 4;
    reply.rebind_after = std::clamp(reply.rebind_after, reply.renew_after, reply.lease);
    return reply;
}

} // namespace slipway::network
