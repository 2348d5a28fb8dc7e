// SPDX-License-Identifier: Apache-2.0
#include "archive/byte_cursor.hpp"

#include <algorithm>

#include <sys/stat.h>
#include <unistd.h>

namespace slipway::archive {

Result<Bytes> ByteCursor::peek(std::size_t wanted) {
    if (window_.size() >= wanted || !file_.valid())
        return window_;
    storage_.resize(window_size);
    std::copy(window_.begin(), window_.end(), storage_.begin());
    auto filled = window_.size();
    while (filled < std::min(wanted, window_size)) {
        auto got = ::pread(file_.raw(), storage_.data() + filled, window_size - filled,
                           static_cast<off_t>(position_ + filled));
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return fail_errno("reading an archive");
        if (got == 0)
            break;
        filled += static_cast<std::size_t>(got);
    }
    window_ = Bytes(storage_.data(), filled);
    return window_;
}

void ByteCursor::advance(std::size_t count) {
    count = std::min(count, window_.size());
    window_ = window_.subspan(count);
    position_ += count;
}

Status ByteCursor::read(std::span<unsigned char> buffer) {
    while (!buffer.empty()) {
        SLIPWAY_TRY(auto piece, peek());
        if (piece.empty())
            return fail(Code::Corrupt, "the data ends in the middle");
        auto count = std::min(piece.size(), buffer.size());
        std::copy_n(piece.begin(), count, buffer.begin());
        buffer = buffer.subspan(count);
        advance(count);
    }
    return {};
}

void ByteCursor::seek(std::uint64_t position) {
    if (position >= position_ && position - position_ <= window_.size())
        return advance(static_cast<std::size_t>(position - position_));
    window_ = {};
    position_ = position;
}

Result<std::uint64_t> ByteCursor::size() const {
    struct stat info {};
    if (::fstat(file_.raw(), &info) != 0)
        return fail_errno("looking at an archive");
    return static_cast<std::uint64_t>(info.st_size);
}

} // namespace slipway::archive
