// SPDX-License-Identifier: Apache-2.0
// Frames over a pair of descriptors.
#pragma once

#include <chrono>
#include <optional>

#include "session/frame.hpp"
#include "sys/fd.hpp"

namespace slipway::session {

/// One end of a session. Sending blocks; the credit rule keeps both ends from blocking at once:
/// nobody has more than `initial_credit` bytes of a stream under way.
class Channel {
public:
    explicit Channel(sys::OwnedFd socket) : socket_(std::move(socket)) {}

    /// Protocol when the peer has gone.
    [[nodiscard]] Status send(const Frame& frame);
    /// Nothing if no whole frame came within `limit`. Protocol at end of file.
    [[nodiscard]] Result<std::optional<Frame>> receive(std::chrono::milliseconds limit);
    /// Closes our end; the peer sees end of file.
    void hang_up() { socket_.reset(); }
    /// For poll(2): a frame may also wait in the buffer, so call `receive` with a limit of 0 first.
    [[nodiscard]] sys::BorrowedFd fd() const { return socket_; }

private:
    sys::OwnedFd socket_;
    FrameDecoder decoder_;
};

/// Bytes of a stream that may be under way before the receiver grants more.
constexpr std::uint32_t initial_credit = 128 * 1024;
constexpr std::size_t max_data_piece = 64 << 10;

} // namespace slipway::session
