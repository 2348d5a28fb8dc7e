// SPDX-License-Identifier: Apache-2.0
#include "sys/fd.hpp"

#include <array>

#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <fmt/format.h>

namespace slipway::sys {

Status OwnedFd::close() {
    if (fd_ < 0)
        return {};
    if (::close(std::exchange(fd_, -1)) != 0 && errno != EINTR)
        return fail_errno("closing a file");
    return {};
}

void OwnedFd::reset() {
    if (fd_ >= 0)
        ::close(std::exchange(fd_, -1));
}

Result<OwnedFd> open_file(const std::string& path, int flags, mode_t mode) {
    return open_at(BorrowedFd(AT_FDCWD), path, flags, mode);
}

Result<OwnedFd> open_at(BorrowedFd dir, const std::string& name, int flags, mode_t mode) {
    int fd = 0;
    do
        fd = ::openat(dir.raw(), name.c_str(), flags | O_CLOEXEC, mode);
    while (fd < 0 && errno == EINTR);
    if (fd < 0)
        return fail_errno(fmt::format("opening {}", name));
    return OwnedFd(fd);
}

Result<OwnedFd> duplicate(BorrowedFd fd) {
    int copy = ::fcntl(fd.raw(), F_DUPFD_CLOEXEC, 3);
    if (copy < 0)
        return fail_errno("duplicating a descriptor");
    return OwnedFd(copy);
}

Result<std::pair<OwnedFd, OwnedFd>> make_pipe() {
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_CLOEXEC) != 0)
        return fail_errno("making a pipe");
    return std::pair(OwnedFd(ends[0]), OwnedFd(ends[1]));
}

namespace {

Result<std::pair<OwnedFd, OwnedFd>> make_sockets(int type) {
    std::array<int, 2> ends{};
    if (::socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, ends.data()) != 0)
        return fail_errno("making a socket pair");
    return std::pair(OwnedFd(ends[0]), OwnedFd(ends[1]));
}

} // namespace

Result<std::pair<OwnedFd, OwnedFd>> make_socket_pair() {
    return make_sockets(SOCK_STREAM);
}

Result<std::pair<OwnedFd, OwnedFd>> make_packet_pair() {
    return make_sockets(SOCK_SEQPACKET);
}

Result<OwnedFd> make_memfd(std::string_view name, std::string_view content) {
    OwnedFd fd(::memfd_create(std::string(name).c_str(), MFD_CLOEXEC));
    if (!fd.valid())
        return fail_errno("making a memory file");
    SLIPWAY_CHECK(write_all_at(fd, content, 0));
    return fd;
}

Result<std::string> read_all(BorrowedFd fd, std::size_t limit) {
    std::string content;
    std::size_t used = 0;
    while (true) {
        content.resize(used + std::min<std::size_t>(std::max<std::size_t>(used, 16384), 1 << 20));
        auto got = ::read(fd.raw(), content.data() + used, content.size() - used);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return fail_errno("reading");
        if (got == 0)
            break;
        used += static_cast<std::size_t>(got);
        if (used > limit)
            return fail(Code::InvalidArgument,
                        fmt::format("the file is larger than {} bytes", limit));
    }
    content.resize(used);
    return content;
}

Status write_all(BorrowedFd fd, std::string_view bytes) {
    while (!bytes.empty()) {
        auto put = ::write(fd.raw(), bytes.data(), bytes.size());
        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0)
            return fail_errno("writing");
        bytes.remove_prefix(static_cast<std::size_t>(put));
    }
    return {};
}

Status read_exactly_at(BorrowedFd fd, std::span<std::byte> buffer, std::uint64_t offset) {
    while (!buffer.empty()) {
        auto got = ::pread(fd.raw(), buffer.data(), buffer.size(), static_cast<off_t>(offset));
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return fail_errno("reading");
        if (got == 0)
            return fail(Code::Corrupt, "the file ends too early");
        buffer = buffer.subspan(static_cast<std::size_t>(got));
        offset += static_cast<std::uint64_t>(got);
    }
    return {};
}

Status write_all_at(BorrowedFd fd, std::string_view bytes, std::uint64_t offset) {
    while (!bytes.empty()) {
        auto put = ::pwrite(fd.raw(), bytes.data(), bytes.size(), static_cast<off_t>(offset));
        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0)
            return fail_errno("writing");
        bytes.remove_prefix(static_cast<std::size_t>(put));
        offset += static_cast<std::uint64_t>(put);
    }
    return {};
}

Result<std::string> read_file(const std::string& path, std::size_t limit) {
    // A pipe that nobody writes into is empty, and not waited for.
    SLIPWAY_TRY(auto fd, open_file(path, O_RDONLY | O_NONBLOCK));
    (void)::fcntl(fd.raw(), F_SETFL, 0);
    auto content = read_all(fd, limit);
    if (!content)
        return fail(std::move(content.error()).in(fmt::format("reading {}", path)));
    return content;
}

Status write_file(const std::string& path, std::string_view content) {
    SLIPWAY_TRY(auto fd, open_file(path, O_WRONLY | O_CREAT | O_TRUNC, 0644));
    if (auto written = write_all(fd, content); !written)
        return fail(std::move(written.error()).in(fmt::format("writing {}", path)));
    return fd.close();
}

std::string proc_path(int fd) {
    return fmt::format("/proc/self/fd/{}", fd);
}

} // namespace slipway::sys
