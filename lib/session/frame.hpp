// SPDX-License-Identifier: Apache-2.0
// Frames of the session protocol: {length, type, id, payload}, little-endian, at most 1 MiB.
// The same bytes travel over a socket pair and over a VM's console, so nothing but bytes is
// assumed.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.hpp"

namespace slipway::session {

constexpr int protocol_version = 1;
constexpr std::size_t max_payload = 1 << 20;
constexpr std::size_t max_request = 64 << 20; // in pieces: lists of names may be long
constexpr std::size_t header_size = 9;        // length, type, id

enum class FrameType : std::uint8_t {
    Hello = 1,    ///< JSON {"version", "capabilities"}; first in each direction
    Request = 2,  ///< JSON {"op", "args"}
    Response = 3, ///< JSON
    Failure = 4,  ///< JSON form of an Error
    Data = 5,     ///< one byte stream number, then bytes; no bytes: end of stream
    Credit = 6,   ///< one byte stream number, four bytes: that many more may be sent
    Cancel = 7,   ///< empty: stop the request
    Progress = 8, ///< JSON
    Signal = 9,   ///< one byte: for the running command
    Window = 10,  ///< two times two bytes: rows, columns
    Log = 11,     ///< JSON {"level", "text"}
    DataAt = 12,  ///< Data whose bytes stand in the window: stream, then offset and size of 4 bytes
    ResponseEnd = 13, ///< empty: a Response that came in pieces, on stream 3, is whole
    RequestEnd = 14,  ///< the same of a Request
};
constexpr std::uint8_t last_frame_type = 14;

struct Frame {
    FrameType type = FrameType::Hello;
    std::uint32_t id = 0; ///< of the request that it belongs to
    std::string payload;
};

[[nodiscard]] std::string encode(const Frame& frame);

/// Takes bytes in pieces of any size and gives whole frames. Fuzzed.
class FrameDecoder {
public:
    void feed(std::string_view bytes) { buffer_ += bytes; }
    /// Protocol error for an unknown type or a payload over the limit; then the stream is lost.
    [[nodiscard]] Result<std::optional<Frame>> next();

private:
    std::string buffer_;
    std::size_t used_ = 0;
};

/// Payload of Data and Credit frames.
[[nodiscard]] std::string encode_data(std::uint8_t stream, std::string_view bytes);
[[nodiscard]] std::string encode_credit(std::uint8_t stream, std::uint32_t bytes);
[[nodiscard]] Result<std::pair<std::uint8_t, std::string_view>>
decode_data(std::string_view payload);
[[nodiscard]] Result<std::pair<std::uint8_t, std::uint32_t>>
decode_credit(std::string_view payload);

[[nodiscard]] std::string encode_data_at(std::uint8_t stream, std::uint32_t offset,
                                         std::uint32_t size);
struct DataPlace {
    std::uint8_t stream;
    std::uint32_t offset;
    std::uint32_t size;
};
[[nodiscard]] Result<DataPlace> decode_data_at(std::string_view payload);

} // namespace slipway::session
