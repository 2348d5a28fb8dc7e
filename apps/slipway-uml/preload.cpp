// SPDX-License-Identifier: Apache-2.0
// Loaded into User-mode Linux, so that it finds what it needs in descriptors that it inherits: its
// memory is a memfd instead of a file in TMPDIR, and a socket "slipway-N" is the descriptor N,
// connected already. Then it needs no place to write and no right to make connections.
#include <cerrno>
#include <cstdarg>
#include <cstdlib>
#include <cstring>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

namespace {

int open_for_it(const char* path, int flags, unsigned mode) {
    if ((flags & O_TMPFILE) == O_TMPFILE)
        return ::memfd_create("uml", MFD_CLOEXEC);
    return static_cast<int>(::syscall(SYS_openat, AT_FDCWD, path, flags, mode));
}

} // namespace

// The C library's headers declare them with attributes that differ between versions.
extern "C" {

int open(const char* path, int flags, ...) { // NOLINT: variadic as in POSIX
    va_list arguments;
    va_start(arguments, flags);
    unsigned mode = va_arg(arguments, unsigned);
    va_end(arguments);
    return open_for_it(path, flags, mode);
}

int open64(const char* path, int flags, ...) { // NOLINT: as above
    va_list arguments;
    va_start(arguments, flags);
    unsigned mode = va_arg(arguments, unsigned);
    va_end(arguments);
    return open_for_it(path, flags, mode);
}

int connect(int socket, const sockaddr* address, socklen_t) {
    constexpr char prefix[] = "slipway-";
    constexpr std::size_t length = sizeof prefix - 1;
    const char* path = reinterpret_cast<const sockaddr_un*>(address)->sun_path;
    if (address->sa_family != AF_UNIX || std::strncmp(path, prefix, length) != 0) {
        errno = EPERM;
        return -1;
    }
    return ::dup2(std::atoi(path + length), socket) < 0 ? -1 : 0;
}
}
