// SPDX-License-Identifier: Apache-2.0
// Frames over a pair of descriptors, bulk data beside them where there is a window.
#pragma once

#include <chrono>
#include <deque>
#include <optional>

#include "session/frame.hpp"
#include "session/window.hpp"
#include "sys/fd.hpp"

namespace slipway::session {

/// What a serial line to a machine holds of one stream. More than its driver's 4 KiB throttle it,
/// and User-mode Linux may forget to open it again; so data waits for what was sent before it.
class LineGauge {
public:
    [[nodiscard]] bool is_full() const { return on_line_ > most_on_line; }
    void sent(std::size_t bytes, std::size_t on_line) {
        frames_.push_back({bytes, on_line});
        on_line_ += on_line;
    }
    /// The peer took in this much of the stream: what brought it is behind the line.
    void granted(std::size_t bytes);

    static constexpr std::size_t most_on_line = 2048; ///< and one frame more

private:
    struct Frame {
        std::size_t bytes; ///< of the stream, not yet granted
        std::size_t on_line;
    };
    std::deque<Frame> frames_{}; ///< the oldest first
    std::size_t on_line_ = 0;
};

/// One end of a session. Sending blocks; the credit rule keeps both ends from blocking at once:
/// nobody has more than `initial_credit` bytes of a stream under way.
class Channel {
public:
    explicit Channel(sys::OwnedFd socket, std::optional<Window> window = {})
        : socket_(std::move(socket)), window_(std::move(window)) {}

    /// Protocol when the peer has gone.
    [[nodiscard]] Status send(const Frame& frame);
    /// Sends a piece of a stream, at most `largest_piece` bytes. Returns how many bytes of it went
    /// over a serial line: 0 where there is none.
    [[nodiscard]] Result<std::size_t> send_data(std::uint32_t id, std::uint8_t stream,
                                                std::string_view bytes);
    /// Bytes of a stream that may be under way before the receiver grants more.
    [[nodiscard]] std::uint32_t initial_credit() const {
        return window_ ? Window::credit : 128 * 1024;
    }
    [[nodiscard]] std::size_t largest_piece() const {
        return window_ ? Window::largest_piece : 64 << 10;
    }
    /// What a frame may hold of which the receiver takes no note in between.
    [[nodiscard]] std::size_t largest_frame() const {
        return window_ ? LineGauge::most_on_line : max_payload;
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
