// SPDX-License-Identifier: Apache-2.0
#include "session/window.hpp"

#include <cstdlib>
#include <cstring>

#include <unistd.h>

#include "vm/sandbox.hpp"

namespace slipway::session {
namespace {

constexpr std::uint32_t half = vm::window_size / 2;
constexpr std::uint32_t block = 4096;

constexpr std::uint32_t round_up(std::uint32_t size) {
    return (size + block - 1) / block * block;
}

} // namespace

void Window::Free::operator()(char* memory) const {
    std::free(memory); // NOLINT(cppcoreguidelines-no-malloc): of aligned_alloc
}

Window::Window(sys::OwnedFd file, End end)
    : file_(std::move(file)), own_half_(end == End::Machine ? 0 : half),
      their_half_(end == End::Machine ? half : 0),
      buffer_(static_cast<char*>(std::aligned_alloc(block, largest_piece))) {}

Result<Window::Place> Window::write(std::string_view piece) {
    auto size = static_cast<std::uint32_t>(piece.size());
    auto rounded = round_up(size);
    if (next_ + rounded > half)
        next_ = 0;
    std::memcpy(buffer_.get(), piece.data(), size);
    std::memset(buffer_.get() + size, 0, rounded - size);
    Place place{own_half_ + next_, size};
    SLIPWAY_CHECK(sys::write_all_at(file_, {buffer_.get(), rounded}, place.offset));
    next_ += rounded;
    return place;
}

Status Window::read(const Place& place, std::string& out) {
    if (place.size > largest_piece || place.offset % block != 0 || place.offset < their_half_ ||
        place.offset - their_half_ > half - round_up(place.size))
        return fail(Code::Protocol, "the peer named a place outside of its window");
    auto bytes = std::as_writable_bytes(std::span<char>(buffer_.get(), round_up(place.size)));
    SLIPWAY_CHECK(sys::read_exactly_at(file_, bytes, place.offset));
    out.append(buffer_.get(), place.size);
    return {};
}

} // namespace slipway::session
