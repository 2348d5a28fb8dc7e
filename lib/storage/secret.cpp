// SPDX-License-Identifier: Apache-2.0
#include "storage/secret.hpp"

#include <cerrno>
#include <cstring>
#include <utility>

#include <poll.h>
#include <unistd.h>

#include <fmt/format.h>

namespace slipway::storage {
namespace {

void wipe_text(std::string& text) {
    // The whole allocation: what was longer once may still stand behind the end.
    text.resize(text.capacity());
    ::explicit_bzero(text.data(), text.size());
    text.clear();
}

} // namespace

void Secret::wipe() {
    wipe_text(bytes_);
}

Secret Secret::take(std::string&& bytes) {
    Secret secret(bytes);
    wipe_text(bytes);
    return secret;
}

// A short string lives inside its object, so moving it leaves bytes behind: copy and wipe.
// NOLINTNEXTLINE(performance-move-constructor-init,cert-oop11-cpp)
Secret::Secret(Secret&& other) noexcept : bytes_(other.bytes_) {
    other.wipe();
}

Secret& Secret::operator=(Secret&& other) noexcept {
    if (this != &other) {
        wipe();
        bytes_ = other.bytes_;
        other.wipe();
    }
    return *this;
}

Result<Secret> read_secret(sys::BorrowedFd fd, std::string_view what, const Cancel& cancel) {
    constexpr int tick_ms = 50;
    // Grown by hand: a growing string would leave copies in freed memory.
    std::string block(4096, '\0');
    std::size_t used = 0;
    Status status;
    while (status) {
        status = cancel.check();
        pollfd poller{.fd = fd.raw(), .events = POLLIN, .revents = 0};
        if (!status || ::poll(&poller, 1, tick_ms) <= 0)
            continue; // a signal, or a FIFO without a writer
        auto got = ::read(fd.raw(), block.data() + used, block.size() - used);
        if (got < 0 && (errno == EINTR || errno == EAGAIN))
            continue;
        if (got < 0)
            status = fail_errno(fmt::format("reading the key from {}", what));
        if (got <= 0)
            break;
        used += static_cast<std::size_t>(got);
        if (used > max_secret_size)
            status =
                fail(Code::InvalidArgument,
                     fmt::format("the key in {} is larger than {} bytes", what, max_secret_size));
        if (used == block.size()) {
            std::string larger(block.size() * 2, '\0');
            std::memcpy(larger.data(), block.data(), used);
            wipe_text(block);
            block = std::move(larger);
        }
    }
    if (used > 0 && block[used - 1] == '\n')
        --used;
    if (status && used == 0)
        status = fail(Code::InvalidArgument, fmt::format("the key in {} is empty", what));
    Secret secret(std::string_view(block).substr(0, used));
    wipe_text(block);
    SLIPWAY_CHECK(std::move(status));
    return secret;
}

} // namespace slipway::storage
