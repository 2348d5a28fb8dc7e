// SPDX-License-Identifier: Apache-2.0
#include "image/fuse_gate.hpp"

#include <array>
#include <csignal>
#include <cstring>
#include <vector>

#include <linux/close_range.h>
#include <linux/fuse.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "sys/confine.hpp"

namespace slipway::image {
namespace {

// libfuse's own buffer: 256 pages of data and a header page.
constexpr std::size_t buffer_size = 257 << 12;
constexpr int socket_buffer = 4 << 20;

struct Gate {
    int fuse;
    int daemon;
    char* buffer;
};

// Requests that are never answered (fuse(4)).
bool has_reply(std::uint32_t opcode) {
    return opcode != FUSE_FORGET && opcode != FUSE_BATCH_FORGET && opcode != FUSE_INTERRUPT;
}

// -1 on end or failure of `from`; tries again where a signal or an aborted request came between.
ssize_t read_message(int from, char* buffer) {
    ssize_t got = 0;
    do
        got = ::read(from, buffer, buffer_size);
    while (got < 0 && (errno == EINTR || errno == ENOENT));
    return got <= 0 ? -1 : got;
}

int forward(void* argument) {
    auto& gate = *static_cast<Gate*>(argument);
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    ::prctl(PR_SET_NAME, "slipway-fuse");
    if (::dup2(gate.fuse, 3) < 0 || ::dup2(gate.daemon, 4) < 0)
        return 1;
    ::syscall(SYS_close_range, 5, ~0U, 0);
    // It must hold no mount that its own answers feed: the last process of a mount namespace
    // unmounts while it ends, and if that were this one, the write-back would wait for it for ever.
    if (::umount2("/", MNT_DETACH) != 0)
        return 1;
    ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    if (sys::keep_only_capabilities(0) != 0)
        return 1;
    while (true) {
        auto size = read_message(3, gate.buffer);
        if (size < static_cast<ssize_t>(sizeof(fuse_in_header)))
            return 0; // unmounted
        fuse_in_header request{};
        std::memcpy(&request, gate.buffer, sizeof request);
        if (::send(4, gate.buffer, static_cast<std::size_t>(size), MSG_NOSIGNAL) != size)
            return 0; // the daemon has gone
        if (!has_reply(request.opcode))
            continue;
        fuse_out_header reply{};
        do {
            size = read_message(4, gate.buffer);
            if (size < static_cast<ssize_t>(sizeof reply))
                return 0;
            std::memcpy(&reply, gate.buffer, sizeof reply);
            // The kernel answers ENOENT for a request that it has given up meanwhile.
            if (::write(3, gate.buffer, static_cast<std::size_t>(size)) < 0 && errno != ENOENT &&
                errno != EINVAL)
                return 0;
        } while (reply.unique != request.unique); // 0: a notification
    }
}

} // namespace

Result<FuseGate> FuseGate::start(sys::OwnedFd fuse) {
    std::array<int, 2> ends{};
    if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends.data()) != 0)
        return fail_errno("making a socket pair");
    sys::OwnedFd ours(ends[0]);
    FuseGate gate{.process = {}, .daemon_end = sys::OwnedFd(ends[1])};
    for (int end : ends)
        if (::setsockopt(end, SOL_SOCKET, SO_SNDBUFFORCE, &socket_buffer, sizeof socket_buffer) !=
            0)
            return fail_errno("enlarging a socket's buffer");
    std::vector<char> buffer(buffer_size);
    // Above the numbers that the child gives them.
    sys::OwnedFd high_fuse(::fcntl(fuse.raw(), F_DUPFD_CLOEXEC, 10)),
        high_ours(::fcntl(ours.raw(), F_DUPFD_CLOEXEC, 10));
    Gate plan{.fuse = high_fuse.raw(), .daemon = high_ours.raw(), .buffer = buffer.data()};
    // In a mount namespace of its own, which `forward` empties.
    SLIPWAY_TRY(gate.process, sys::clone_child({.flags = CLONE_NEWNS}, forward, &plan));
    return gate;
}

} // namespace slipway::image
