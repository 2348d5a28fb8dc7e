// SPDX-License-Identifier: Apache-2.0
#include "session/channel.hpp"

#include <array>

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

namespace slipway::session {

Status Channel::send(const Frame& frame) {
    auto bytes = encode(frame);
    std::string_view rest = bytes;
    while (!rest.empty()) {
        auto put = ::send(socket_.raw(), rest.data(), rest.size(), MSG_NOSIGNAL);
        if (put < 0 && errno == ENOTSOCK)
            put = ::write(socket_.raw(), rest.data(), rest.size());
        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0)
            return fail(Code::Protocol, "the other end of the session has gone");
        rest.remove_prefix(static_cast<std::size_t>(put));
    }
    return {};
}

Result<std::size_t> Channel::send_data(std::uint32_t id, std::uint8_t stream,
                                       std::string_view bytes) {
    Frame frame{FrameType::Data, id, {}};
    if (!window_ || bytes.size() < window_->smallest_piece()) {
        frame.payload = encode_data(stream, bytes);
    } else {
        SLIPWAY_TRY(auto place, window_->write(bytes));
        frame = {FrameType::DataAt, id, encode_data_at(stream, place.offset, place.size)};
    }
    SLIPWAY_CHECK(send(frame));
    return window_ ? header_size + frame.payload.size() : 0;
}

void LineGauge::granted(std::size_t bytes) {
    while (!frames_.empty() && bytes >= frames_.front().bytes) {
        bytes -= frames_.front().bytes;
        on_line_ -= frames_.front().on_line;
        frames_.pop_front();
    }
    if (!frames_.empty())
        frames_.front().bytes -= bytes;
}

// To those who receive it is a frame like any other.
Status Channel::fetch_data(Frame& frame) {
    SLIPWAY_TRY(auto place, decode_data_at(frame.payload));
    if (!window_)
        return fail(Code::Protocol, "the peer speaks of a window, and there is none");
    std::string payload(1, static_cast<char>(place.stream));
    SLIPWAY_CHECK(window_->read({place.offset, place.size}, payload));
    frame = {FrameType::Data, frame.id, std::move(payload)};
    return {};
}

Result<std::optional<Frame>> Channel::receive(std::chrono::milliseconds limit) {
    auto until = std::chrono::steady_clock::now() + limit;
    while (true) {
        SLIPWAY_TRY(auto frame, decoder_.next());
        if (frame) {
            if (frame->type == FrameType::DataAt)
                SLIPWAY_CHECK(fetch_data(*frame));
            return frame;
        }
        auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
            until - std::chrono::steady_clock::now());
        pollfd poller{.fd = socket_.raw(), .events = POLLIN, .revents = 0};
        auto ready = ::poll(&poller, 1, static_cast<int>(std::max<long long>(left.count(), 0)));
        if (ready < 0 && errno != EINTR)
            return fail_errno("waiting for the session");
        if (ready <= 0) {
            if (left.count() <= 0)
                return std::optional<Frame>{};
            continue;
        }
        std::array<char, 65536> buffer{};
        auto got = ::read(socket_.raw(), buffer.data(), buffer.size());
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return fail(Code::Protocol, "the other end of the session has gone");
        decoder_.feed({buffer.data(), static_cast<std::size_t>(got)});
    }
}

} // namespace slipway::session
