// SPDX-License-Identifier: Apache-2.0
// Frames over a pair of descriptors, bulk data beside them where there is a window.
#pragma once

#include <chrono>
#include <optional>

#include "session/frame.hpp"
#include "session/window.hpp"
#include "sys/fd.hpp"

namespace slipway::session {

/// One end of a session. Sending blocks; the credit rule keeps both ends from blocking at once:
/// nobody has more than `initial_credit` bytes of a stream under way.
class Channel {
public:
    explicit Channel(sys::OwnedFd socket, std::optional<Window> window = {})
        : socket_(std::move(socket)), window_(std::move(window)) {}

    /// Protocol when the peer has gone.
    [[nodiscard]] Status send(const Frame& frame);
    /// Sends a piece of a stream, at most `largest_piece` bytes.
    [[nodiscard]] Status send_data(std::uint32_t id, std::uint8_t stream, std::string_view bytes);
    /// Bytes of a stream that may be under way before the receiver grants more.
    [[nodiscard]] std::uint32_t initial_credit() const {
        return window_ ? Window::credit : 128 * 1024;
    }
    [[nodiscard]] std::size_t largest_piece() const {
        return window_ ? Window::largest_piece : 64 << 10;
    }
    /// Nothing if no whole frame came within `limit`. Protocol at end of file.
    [[nodiscard]] Result<std::optional<Frame>> receive(std::chrono::milliseconds limit);
    /// Closes our end; the peer sees end of file.
    void hang_up() { socket_.reset(); }
    /// For poll(2): a frame may also wait in the buffer, so call `receive` with a limit of 0 first.
    [[nodiscard]] sys::BorrowedFd fd() const { return socket_; }

private:
    [[nodiscard]] Status fetch_data(Frame& frame);

    sys::OwnedFd socket_;
    std::optional<Window> window_;
    FrameDecoder decoder_;
};

} // namespace slipway::session
