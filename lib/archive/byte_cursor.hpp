// SPDX-License-Identifier: Apache-2.0
// A place in a file or in memory, and what follows it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/error.hpp"
#include "sys/fd.hpp"

namespace slipway::archive {

using Bytes = std::span<const unsigned char>;

/// Reads a file through one window of fixed size. Not mapped into memory: a guest's file that
/// shrinks meanwhile must be a short read, not a SIGBUS. File or memory are borrowed.
class ByteCursor {
public:
    static constexpr std::size_t window_size = 256 << 10;

    explicit ByteCursor(sys::BorrowedFd file) : file_(file) {}
    explicit ByteCursor(Bytes memory) : window_(memory) {}

    [[nodiscard]] std::uint64_t position() const { return position_; }
    /// What follows, at least `wanted` bytes (at most window_size) unless the end comes before.
    [[nodiscard]] Result<Bytes> peek(std::size_t wanted = 1);
    /// Goes past bytes that peek returned.
    void advance(std::size_t count);
    /// Fills the buffer and goes past it; Corrupt where the data ends before.
    [[nodiscard]] Status read(std::span<unsigned char> buffer);
    /// Goes to a place that need not be in the window. Files only.
    void seek(std::uint64_t position);
    /// Size of the file. Files only.
    [[nodiscard]] Result<std::uint64_t> size() const;

private:
    sys::BorrowedFd file_{-1};
    std::vector<unsigned char> storage_;
    Bytes window_; ///< unread bytes at position_
    std::uint64_t position_ = 0;
};

} // namespace slipway::archive
