// SPDX-License-Identifier: Apache-2.0
// A text that a job makes and that is read in pages: a log, a report, a console.
#pragma once

#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>

#include "sys/fd.hpp"

namespace slipway::mcp {

struct Page {
    std::string text;
    std::uint64_t offset = 0; ///< bytes from the beginning
    std::uint64_t size = 0;   ///< bytes of the whole text
    [[nodiscard]] std::uint64_t end() const { return offset + text.size(); }
};

/// Lies in a file without a name. For use by several threads.
class KeptText {
public:
    /// What is more than 256 MiB in all is dropped; where the file cannot be written, all that
    /// comes later.
    void add(std::string_view bytes);
    [[nodiscard]] std::uint64_t size() const;
    /// At most so many bytes from `offset` on, and no part of a character at the end, unless that
    /// would leave nothing. InvalidArgument beyond the end.
    [[nodiscard]] Result<Page> page(std::uint64_t offset, std::size_t most) const;
    /// The last bytes, from the beginning of a line if there is one.
    [[nodiscard]] Result<Page> last_page(std::size_t most) const;
    /// Why it is not whole, or "".
    [[nodiscard]] std::string lost() const;

private:
    [[nodiscard]] Result<std::string> read(std::uint64_t offset, std::size_t most) const;

    mutable std::mutex mutex_;
    sys::OwnedFd file_;
    std::uint64_t size_ = 0;
    std::string lost_;
};

/// As much of the text as `most` bytes hold, without a part of a character at its end.
[[nodiscard]] std::string_view whole_characters(std::string_view text, std::size_t most);

} // namespace slipway::mcp
