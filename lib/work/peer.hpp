// SPDX-License-Identifier: Apache-2.0
// How a worker talks to its client while it works on a request. The session layer implements it
// over the protocol; tests implement it in memory.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.hpp"
#include "base/log.hpp"
#include "sys/fd.hpp"
#include "sys/host.hpp"

namespace slipway::work {

/// Stream numbers of Data frames.
enum Stream : std::uint8_t {
    Input = 0,
    Output = 1,
    ErrorOutput = 2,
    Message = 3, ///< of the session: a request or an answer that is larger than a frame
};

/// What the client sent while a request is under way.
struct Event {
    enum class Kind { Data, EndOfInput, Signal, Window, Cancel };
    Kind kind = Kind::Cancel;
    std::string bytes{};  ///< Data
    int number = 0;       ///< Signal
    unsigned rows = 0;    ///< Window
    unsigned columns = 0; ///< Window
};

class Peer {
public:
    Peer() = default;
    Peer(const Peer&) = delete;
    Peer& operator=(const Peer&) = delete;
    virtual ~Peer() = default;

    virtual void progress(const sys::Progress& progress) = 0;
    virtual void log(Level level, std::string_view text) = 0;
    /// Sends bytes on a stream; waits for credit. Cancelled when the client stops the request
    /// meanwhile, Protocol when it has gone.
    [[nodiscard]] virtual Status send(Stream stream, std::string_view bytes) = 0;
    /// Bytes that `send` takes on the stream without waiting.
    [[nodiscard]] virtual std::size_t credit(Stream stream) const = 0;
    /// The next event, or nothing within `limit`. Protocol when the client has gone.
    [[nodiscard]] virtual Result<std::optional<Event>>
    next_event(std::chrono::milliseconds limit) = 0;
    /// Whether the client wants the request stopped, or has gone. Costs a system call.
    [[nodiscard]] virtual bool cancelled() = 0;
    /// Tells the client that `bytes` of its input were used, so that it may send more.
    virtual void consumed(std::size_t bytes) = 0;
    /// Readable when an event may be waiting; for poll(2).
    [[nodiscard]] virtual sys::BorrowedFd fd() const = 0;
};

} // namespace slipway::work
