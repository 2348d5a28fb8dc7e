// SPDX-License-Identifier: Apache-2.0
// A file that both ends of a session share, for bytes that are too many for a serial line: a memfd
// on the client's side, a disk over it in the machine.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "sys/fd.hpp"

namespace slipway::session {

/// Each end writes to its own half in a ring, and tells the other where. That nothing is written
/// over before it was read is the work of the credit: see `credit`.
class Window {
public:
    enum class End { Client, Machine };
    /// The machine's end is opened with O_DIRECT, so that nothing stays in a cache.
    Window(sys::OwnedFd file, End end);

    struct Place {
        std::uint32_t offset;
        std::uint32_t size;
    };
    /// Writes a piece of at most `largest_piece` bytes.
    [[nodiscard]] Result<Place> write(std::string_view piece);
    /// Appends what the other end has written. Protocol for a place that is not in its half.
    [[nodiscard]] Status read(const Place& place, std::string& out);

    /// Bytes of a stream under way at one time: with the pieces rounded up to blocks, and a piece
    /// lost at the end of the ring, less than a half. The client's are few, see
    /// LineGauge.
    static constexpr std::uint32_t credit = 2 << 20;
    static constexpr std::size_t largest_piece = 512 << 10;
    /// Less than that goes faster with the frame.
    [[nodiscard]] std::size_t smallest_piece() const { return own_half_ == 0 ? 4096 : 1024; }

private:
    struct Free {
        void operator()(char* memory) const;
    };
    sys::OwnedFd file_;
    std::uint32_t own_half_;
    std::uint32_t their_half_;
    std::uint32_t next_ = 0;
    std::unique_ptr<char, Free> buffer_; ///< aligned for O_DIRECT
};

} // namespace slipway::session
