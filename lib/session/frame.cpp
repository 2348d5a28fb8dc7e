// SPDX-License-Identifier: Apache-2.0
#include "session/frame.hpp"

#include <fmt/format.h>

namespace slipway::session {
namespace {

void put_u32(std::string& out, std::uint32_t value) {
    for (int shift = 0; shift < 32; shift += 8)
        out += static_cast<char>(value >> shift & 0xff);
}

std::uint32_t get_u32(std::string_view bytes, std::size_t at) {
    std::uint32_t value = 0;
    for (std::size_t i = 4; i-- > 0;)
        value = value << 8 | static_cast<unsigned char>(bytes[at + i]);
    return value;
}

} // namespace

std::string encode(const Frame& frame) {
    std::string bytes;
    bytes.reserve(header_size + frame.payload.size());
    put_u32(bytes, static_cast<std::uint32_t>(frame.payload.size()));
    bytes += static_cast<char>(frame.type);
    put_u32(bytes, frame.id);
    bytes += frame.payload;
    return bytes;
}

Result<std::optional<Frame>> FrameDecoder::next() {
    std::string_view rest = std::string_view(buffer_).substr(used_);
    if (rest.size() < header_size)
        return std::optional<Frame>{};
    auto size = get_u32(rest, 0);
    auto type = static_cast<std::uint8_t>(rest[4]);
    if (size > max_payload)
        return fail(Code::Protocol, fmt::format("the peer sent a frame of {} bytes", size));
    if (type == 0 || type > last_frame_type)
        return fail(Code::Protocol,
                    fmt::format("the peer sent a frame of the unknown type {}", type));
    if (rest.size() < header_size + size)
        return std::optional<Frame>{};
    Frame frame{static_cast<FrameType>(type), get_u32(rest, 5),
                std::string(rest.substr(header_size, size))};
    used_ += header_size + size;
    if (used_ == buffer_.size() || used_ > max_payload) {
        buffer_.erase(0, used_);
        used_ = 0;
    }
    return std::optional<Frame>(std::move(frame));
}

std::string encode_data(std::uint8_t stream, std::string_view bytes) {
    std::string payload(1, static_cast<char>(stream));
    payload += bytes;
    return payload;
}

std::string encode_credit(std::uint8_t stream, std::uint32_t bytes) {
    std::string payload(1, static_cast<char>(stream));
    put_u32(payload, bytes);
    return payload;
}

std::string encode_data_at(std::uint8_t stream, std::uint32_t offset, std::uint32_t size) {
    std::string payload(1, static_cast<char>(stream));
    put_u32(payload, offset);
    put_u32(payload, size);
    return payload;
}

Result<DataPlace> decode_data_at(std::string_view payload) {
    if (payload.size() != 9)
        return fail(Code::Protocol, "the peer sent a malformed data frame");
    return DataPlace{static_cast<std::uint8_t>(payload[0]), get_u32(payload, 1),
                     get_u32(payload, 5)};
}

Result<std::pair<std::uint8_t, std::string_view>> decode_data(std::string_view payload) {
    if (payload.empty())
        return fail(Code::Protocol, "the peer sent a data frame without a stream");
    return std::pair(static_cast<std::uint8_t>(payload[0]), payload.substr(1));
}

Result<std::pair<std::uint8_t, std::uint32_t>> decode_credit(std::string_view payload) {
    if (payload.size() != 5)
        return fail(Code::Protocol, "the peer sent a malformed credit frame");
    return std::pair(static_cast<std::uint8_t>(payload[0]), get_u32(payload, 1));
}

} // namespace slipway::session
