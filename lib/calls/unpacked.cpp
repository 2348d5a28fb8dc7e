// SPDX-License-Identifier: Apache-2.0
#include "calls/unpacked.hpp"

#include <memory>

namespace slipway::calls {
namespace {

class Unpacked {
public:
    Unpacked(const Cancel& cancel, sys::BorrowedFd file, std::string name,
             archive::Compression compression)
        : cancel_(cancel), cursor_(file), plain_(content_of(cancel, file, name)),
          name_(std::move(name)), compression_(compression) {}

    Result<std::string_view> next() {
        while (true) {
            SLIPWAY_CHECK(cancel_.check());
            if (!stream_ && !first_ && is_plain_)
                return plain_();
            if (!stream_) {
                SLIPWAY_TRY(bool more, open_next());
                if (!more)
                    return std::string_view{};
                continue;
            }
            auto block = stream_->next();
            if (!block)
                return fail(std::move(block.error()).in(name_));
            if (!block->empty())
                return std::string_view(reinterpret_cast<const char*>(block->data()),
                                        block->size());
            stream_.reset();
        }
    }

private:
    // False at the end. What follows a stream and is none counts as padding.
    Result<bool> open_next() {
        constexpr std::size_t longest_magic = 16;
        SLIPWAY_TRY(auto head, cursor_.peek(longest_magic));
        bool packed = archive::identify_compression(head) == compression_;
        is_plain_ = std::exchange(first_, false) && !packed;
        if (!packed)
            return is_plain_;
        SLIPWAY_TRY(stream_, archive::open_decoder(compression_, cursor_));
        return true;
    }

    Cancel cancel_;
    archive::ByteCursor cursor_; ///< reads by offset, and so leaves the descriptor's position
    Source plain_;
    std::string name_;
    archive::Compression compression_;
    std::unique_ptr<archive::BlockStream> stream_;
    bool first_ = true;
    bool is_plain_ = false;
};

} // namespace

Source unpacked_content_of(Cancel cancel, sys::BorrowedFd file, std::string name,
                           archive::Compression compression) {
    auto unpacked = std::make_shared<Unpacked>(cancel, file, std::move(name), compression);
    return [unpacked] { return unpacked->next(); };
}

} // namespace slipway::calls
