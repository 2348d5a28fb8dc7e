// SPDX-License-Identifier: Apache-2.0
#include "mcp/kept_text.hpp"

#include <algorithm>

#include <unistd.h>

#include <fmt/format.h>

#include "base/units.hpp"
#include "ops/open_image.hpp"
#include "sys/output_file.hpp"

namespace slipway::mcp {
namespace {

constexpr std::uint64_t longest_text = std::uint64_t{256} << 20;

bool continues_character(char byte) {
    return (static_cast<unsigned char>(byte) & 0xC0U) == 0x80U;
}

} // namespace

std::string_view whole_characters(std::string_view text, std::size_t most) {
    if (text.size() <= most)
        return text;
    auto end = most;
    constexpr std::size_t longest_character = 4;
    while (end > 0 && most - end < longest_character && continues_character(text[end]))
        --end;
    return text.substr(0, continues_character(text[end]) || end == 0 ? most : end);
}

void KeptText::add(std::string_view bytes) {
    std::lock_guard lock(mutex_);
    if (!lost_.empty() || bytes.empty())
        return;
    if (!file_.valid()) {
        auto file = sys::make_scratch_file(ops::scratch_directory());
        if (!file) {
            lost_ = render_line(file.error());
            return;
        }
        file_ = std::move(*file);
    }
    if (size_ + bytes.size() > longest_text) {
        bytes = bytes.substr(0, longest_text - size_);
        lost_ = fmt::format("what came after {} was dropped", format_size(longest_text));
    }
    if (auto written = sys::write_all_at(file_, bytes, size_); !written) {
        lost_ = render_line(written.error());
        return;
    }
    size_ += bytes.size();
}

std::uint64_t KeptText::size() const {
    std::lock_guard lock(mutex_);
    return size_;
}

std::string KeptText::lost() const {
    std::lock_guard lock(mutex_);
    return lost_;
}

Result<std::string> KeptText::read(std::uint64_t offset, std::size_t most) const {
    std::string text(std::min<std::uint64_t>(most, size_ - offset), '\0');
    if (!text.empty())
        SLIPWAY_CHECK(sys::read_exactly_at(file_, std::as_writable_bytes(std::span(text)), offset));
    return text;
}

Result<Page> KeptText::page(std::uint64_t offset, std::size_t most) const {
    std::lock_guard lock(mutex_);
    if (offset > size_)
        return fail(Code::InvalidArgument,
                    fmt::format("{} is beyond the end of a text of {} bytes", offset, size_));
    // One more shows whether the last character is whole.
    SLIPWAY_TRY(auto text, read(offset, most + 1));
    return Page{std::string(whole_characters(text, most)), offset, size_};
}

Result<Page> KeptText::last_page(std::size_t most) const {
    std::lock_guard lock(mutex_);
    auto offset = size_ > most ? size_ - most : 0;
    SLIPWAY_TRY(auto text, read(offset, most));
    if (auto line = text.find('\n');
        offset > 0 && line != std::string::npos && line + 1 < text.size()) {
        text.erase(0, line + 1);
        offset += line + 1;
    }
    return Page{std::move(text), offset, size_};
}

} // namespace slipway::mcp
