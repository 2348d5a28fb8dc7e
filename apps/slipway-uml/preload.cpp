// SPDX-License-Identifier: Apache-2.0
// Loaded into User-mode Linux, so that it finds what it needs in descriptors that it inherits: its
// memory is a memfd instead of a file in TMPDIR, and a socket "slipway-N" is the descriptor N,
// connected already. Then it needs no place to write and no right to make connections. And what it
// starts ends with it.
#include <cerrno>
#include <csignal>
#include <cstdarg>
#include <cstdint>
#include <cstdlib>
#include <cstring>

#include <dlfcn.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
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

// linux/ptrace.h, whose names meet those of sys/ptrace.h. Declaring ptrace as POSIX systems do,
// with
// "...", is left to that header too.
constexpr int set_options = 0x4200;           // PTRACE_SETOPTIONS
constexpr std::uintptr_t exit_kill = 1 << 20; // PTRACE_O_EXITKILL

struct Start {
    int (*function)(void*);
    void* argument;
    pid_t parent;
};
// Whoever is started shares this memory or has a copy, and reads its entry at once.
Start starts[256];
unsigned next_start = 0;

int die_with_parent(void* argument) {
    auto start = *static_cast<Start*>(argument);
    ::syscall(SYS_prctl, PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    if (::syscall(SYS_getppid) != start.parent) // it has ended already
        ::_exit(1);
    return start.function(start.argument);
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

// Of its memory, which everybody may use who has the descriptor.
int fchmod(int, mode_t) {
    return 0;
}

// Its helpers would live on when it is killed, and hold the machine's memory.
int clone(int (*function)(void*), void* stack, int flags, void* argument, ...) { // NOLINT: as above
    using Clone = int (*)(int (*)(void*), void*, int, void*, ...);
    auto real = reinterpret_cast<Clone>(::dlsym(RTLD_NEXT, "clone"));
    auto* start = &starts[next_start++ % (sizeof starts / sizeof *starts)];
    *start = {function, argument, ::getpid()};
    return real(&die_with_parent, stack, flags, start);
}

// Blocking SIGPROF alone is the first thing that its main() does when the guest has switched itself
// off or restarts: that is the machine's end. What main() does then is to boot again, or to let
// signals through that came late, for which there is no kernel any more: it would abort.
int sigprocmask(int how, const sigset_t* set, sigset_t* old) {
    constexpr std::uint64_t profiling = std::uint64_t{1} << (SIGPROF - 1);
    std::uint64_t bits = 0; // as many signals as the system call takes
    if (set != nullptr)
        std::memcpy(&bits, set, sizeof bits);
    if (how == SIG_BLOCK && bits == profiling)
        ::_exit(0);
    return static_cast<int>(::syscall(SYS_rt_sigprocmask, how, set, old, sizeof bits));
}

// Otherwise a program of the guest would go on as one of the host when the machine, which answers
// its system calls, is killed.
long ptrace(int request, pid_t pid, void* address, void* data) {
    using Ptrace = long (*)(int, pid_t, void*, void*);
    static Ptrace real = nullptr;
    if (real == nullptr)
        real = reinterpret_cast<Ptrace>(::dlsym(RTLD_NEXT, "ptrace"));
    constexpr int old_set_options = 21; // PTRACE_OLDSETOPTIONS
    if (request == set_options || request == old_set_options)
        data = reinterpret_cast<void*>( // NOLINT(performance-no-int-to-ptr): it is a number
            reinterpret_cast<std::uintptr_t>(data) | exit_kill);
    return real(request, pid, address, data);
}

// NOLINTNEXTLINE(readability-inconsistent-declaration-parameter-name): reserved names there
int connect(int socket, const sockaddr* address, socklen_t) {
    constexpr char prefix[] = "slipway-";
    constexpr std::size_t length = sizeof prefix - 1;
    const char* path = reinterpret_cast<const sockaddr_un*>(address)->sun_path;
    if (address->sa_family != AF_UNIX || std::strncmp(path, prefix, length) != 0) {
        errno = EPERM;
        return -1;
    }
    auto number = std::strtol(path + length, nullptr, 10);
    return ::dup2(static_cast<int>(number), socket) < 0 ? -1 : 0;
}
}
