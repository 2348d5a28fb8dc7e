// SPDX-License-Identifier: Apache-2.0
// Owned and borrowed file descriptors are different types.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include <fcntl.h>
#include <sys/types.h>

#include "base/error.hpp"

namespace slipway::sys {

/// A descriptor that somebody else owns and keeps open meanwhile.
class BorrowedFd {
public:
    constexpr explicit BorrowedFd(int fd) : fd_(fd) {}
    [[nodiscard]] constexpr int raw() const { return fd_; }
    [[nodiscard]] constexpr bool valid() const { return fd_ >= 0; }

private:
    int fd_;
};

/// A descriptor that is closed with its owner.
class OwnedFd {
public:
    OwnedFd() = default;
    explicit OwnedFd(int fd) : fd_(fd) {}
    OwnedFd(OwnedFd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
    OwnedFd& operator=(OwnedFd&& other) noexcept {
        if (this != &other) {
            reset();
            fd_ = std::exchange(other.fd_, -1);
        }
        return *this;
    }
    OwnedFd(const OwnedFd&) = delete;
    OwnedFd& operator=(const OwnedFd&) = delete;
    ~OwnedFd() { reset(); }

    [[nodiscard]] int raw() const { return fd_; }
    [[nodiscard]] bool valid() const { return fd_ >= 0; }
    [[nodiscard]] BorrowedFd borrow() const { return BorrowedFd(fd_); }
    // NOLINTNEXTLINE(google-explicit-constructor): an owner may be lent wherever a loan is asked
    // for
    operator BorrowedFd() const { return borrow(); }
    /// Closes now; a write error that only close reports comes back here.
    Status close();
    void reset();
    [[nodiscard]] int release() { return std::exchange(fd_, -1); }

private:
    int fd_ = -1;
};

/// Opens with O_CLOEXEC added.
[[nodiscard]] Result<OwnedFd> open_file(const std::string& path, int flags, mode_t mode = 0);
[[nodiscard]] Result<OwnedFd> open_at(BorrowedFd dir, const std::string& name, int flags,
                                      mode_t mode = 0);
[[nodiscard]] Result<OwnedFd> duplicate(BorrowedFd fd);
[[nodiscard]] Result<std::pair<OwnedFd, OwnedFd>> make_pipe();
/// Two connected stream sockets.
[[nodiscard]] Result<std::pair<OwnedFd, OwnedFd>> make_socket_pair();
/// Two connected sockets that keep the bounds of messages (SOCK_SEQPACKET).
[[nodiscard]] Result<std::pair<OwnedFd, OwnedFd>> make_packet_pair();
[[nodiscard]] Result<OwnedFd> make_memfd(std::string_view name, std::string_view content = {});

/// Reads until end of file; more than `limit` bytes is an InvalidArgument error.
[[nodiscard]] Result<std::string> read_all(BorrowedFd fd, std::size_t limit);
[[nodiscard]] Status write_all(BorrowedFd fd, std::string_view bytes);
/// Reads exactly the buffer's size at `offset`; a short file is Corrupt.
[[nodiscard]] Status read_exactly_at(BorrowedFd fd, std::span<std::byte> buffer,
                                     std::uint64_t offset);
[[nodiscard]] Status write_all_at(BorrowedFd fd, std::string_view bytes, std::uint64_t offset);
/// A named pipe without a writer counts as empty.
[[nodiscard]] Result<std::string> read_file(const std::string& path, std::size_t limit = 1 << 20);
[[nodiscard]] Status write_file(const std::string& path, std::string_view content);
/// "/proc/self/fd/N", a path by which a child that inherits the descriptor as N can open it again.
[[nodiscard]] std::string proc_path(int fd);

} // namespace slipway::sys
