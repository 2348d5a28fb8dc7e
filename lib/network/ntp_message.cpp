// SPDX-License-Identifier: Apache-2.0
#include "network/ntp_message.hpp"

namespace slipway::network {
namespace {

constexpr std::size_t message_size = 48;
constexpr std::size_t stratum_at = 1, origin_at = 24, received_at = 32, sent_at = 40;
constexpr std::int64_t from_1900_to_1970 = 2'208'988'800, era = std::int64_t{1} << 32;
constexpr unsigned client = 3, server = 4, version = 4;
constexpr unsigned not_synchronised = 3, worst_stratum = 15;

std::uint64_t number_at(std::string_view bytes, std::size_t at) {
    std::uint64_t value = 0;
    for (std::size_t each = at; each < at + 8; ++each)
        value = value << 8 | static_cast<std::uint8_t>(bytes[each]);
    return value;
}

// 32 bits of seconds since 1900, 32 of their fraction.
WallTime time_of(std::uint64_t stamp) {
    auto seconds = static_cast<std::int64_t>(stamp >> 32);
    if (seconds < era / 2)
        seconds += era;
    auto fraction = (stamp & 0xffffffff) * 1'000'000'000 >> 32;
    return std::chrono::seconds(seconds - from_1900_to_1970) +
           WallTime(static_cast<std::int64_t>(fraction));
}

} // namespace

std::string encode_ntp(std::uint64_t cookie) {
    std::string message(message_size, '\0');
    message[0] = static_cast<char>(version << 3 | client);
    for (std::size_t each = 0; each < 8; ++each)
        message[sent_at + each] = static_cast<char>(cookie >> (56 - 8 * each));
    return message;
}

Result<NtpReply> decode_ntp(std::string_view bytes, std::uint64_t cookie) {
    if (bytes.size() < message_size)
        return fail(Code::Corrupt, "this is no answer of a time server");
    auto first = static_cast<std::uint8_t>(bytes[0]);
    if ((first & 7) != server || number_at(bytes, origin_at) != cookie)
        return fail(Code::Corrupt, "this is no answer of a time server");
    auto stratum = static_cast<std::uint8_t>(bytes[stratum_at]);
    if (first >> 6 == not_synchronised || stratum == 0 || stratum > worst_stratum ||
        number_at(bytes, sent_at) == 0)
        return fail(Code::Corrupt, "the time server does not know the time itself");
    return NtpReply{time_of(number_at(bytes, received_at)), time_of(number_at(bytes, sent_at))};
}

WallTime ntp_offset(const NtpReply& reply, WallTime asked, WallTime answered) {
    return ((reply.received - asked) + (reply.sent - answered)) / 2;
}

} // namespace slipway::network
