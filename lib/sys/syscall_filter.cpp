// SPDX-License-Identifier: Apache-2.0
#include "sys/syscall_filter.hpp"

#include <array>
#include <cerrno>
#include <cstring>

#include <fcntl.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <fmt/format.h>

#include "sys/fd.hpp"

namespace slipway::sys {
namespace {

Status add_architectures(scmp_filter_ctx filter) {
    std::array<std::uint32_t, 2> others{};
    switch (seccomp_arch_native()) {
    case SCMP_ARCH_X86_64:
        others = {SCMP_ARCH_X86, SCMP_ARCH_X32};
        break;
    case SCMP_ARCH_AARCH64:
        others = {SCMP_ARCH_ARM, 0};
        break;
    default:
        break; // calls of any other architecture end the process
    }
    for (auto architecture : others)
        if (architecture != 0)
            if (auto result = seccomp_arch_add(filter, architecture);
                result != 0 && result != -EEXIST)
                return fail_errno("adding an architecture to the system call filter", -result);
    return {};
}

scmp_arg_cmp comparison(const ArgumentIs& wanted) {
    if (wanted.test == ArgumentIs::Test::Differs)
        return {.arg = wanted.argument, .op = SCMP_CMP_NE, .datum_a = wanted.value, .datum_b = 0};
    return {.arg = wanted.argument,
            .op = SCMP_CMP_MASKED_EQ,
            .datum_a = wanted.mask,
            .datum_b = wanted.value};
}

Status deny_changes_of_files(SyscallFilter& filter) {
    // What Landlock leaves alone: attributes of every file of the caller, and, before its third
    // version, the content of those that may be read.
    for (const auto* name :
         {"chmod",      "fchmod",        "fchmodat",  "fchmodat2",   "chown",        "lchown",
          "fchown",     "fchownat",      "utime",     "utimes",      "futimesat",    "utimensat",
          "setxattr",   "lsetxattr",     "fsetxattr", "removexattr", "lremovexattr", "fremovexattr",
          "setxattrat", "removexattrat", "truncate",  "creat"})
        SLIPWAY_CHECK(filter.deny(name, EPERM));
    std::array<ArgumentIs, 1> truncating{
        ArgumentIs{.argument = 1, .value = O_TRUNC, .mask = O_TRUNC}};
    SLIPWAY_CHECK(filter.deny("open", EPERM, truncating));
    truncating[0].argument = 2;
    SLIPWAY_CHECK(filter.deny("openat", EPERM, truncating));
    return {};
}

// Landlock knows nothing of sockets with names: without this a program could ask the user's own
// service manager to run whatever it likes.
Status deny_connections(SyscallFilter& filter) {
    for (const auto* name : {"connect", "bind"})
        SLIPWAY_CHECK(filter.deny(name, EPERM));
    constexpr std::uint64_t socket_type = 0xF; // SOCK_NONBLOCK and SOCK_CLOEXEC are above it
    std::array<ArgumentIs, 1> not_unix{
        ArgumentIs{.argument = 0, .value = AF_UNIX, .test = ArgumentIs::Test::Differs}};
    for (const auto* name : {"socket", "socketpair"}) {
        SLIPWAY_CHECK(filter.deny(name, EAFNOSUPPORT, not_unix));
        for (std::uint64_t type : {SOCK_DGRAM, SOCK_RAW, SOCK_SEQPACKET}) {
            std::array<ArgumentIs, 1> other{
                ArgumentIs{.argument = 1, .value = type, .mask = socket_type}};
            SLIPWAY_CHECK(filter.deny(name, EPERM, other));
        }
    }
    return {};
}

Status deny_namespaces(SyscallFilter& filter) {
    for (std::uint64_t flag : {CLONE_NEWUSER, CLONE_NEWNS, CLONE_NEWPID, CLONE_NEWNET, CLONE_NEWIPC,
                               CLONE_NEWUTS, CLONE_NEWCGROUP}) {
        std::array<ArgumentIs, 1> flags{ArgumentIs{.argument = 0, .value = flag, .mask = flag}};
        SLIPWAY_CHECK(filter.deny("clone", EPERM, flags));
    }
    return {};
}

// What plain files need none of. ENOSYS where callers then use an older way.
constexpr const char* refused_calls[] = {"bpf",
                                         "perf_event_open",
                                         "userfaultfd",
                                         "init_module",
                                         "finit_module",
                                         "delete_module",
                                         "kexec_load",
                                         "kexec_file_load",
                                         "reboot",
                                         "swapon",
                                         "swapoff",
                                         "acct",
                                         "quotactl",
                                         "quotactl_fd",
                                         "syslog",
                                         "settimeofday",
                                         "clock_settime",
                                         "adjtimex",
                                         "clock_adjtime",
                                         "sethostname",
                                         "setdomainname",
                                         "chroot",
                                         "mount",
                                         "umount2",
                                         "pivot_root",
                                         "setns",
                                         "unshare",
                                         "open_by_handle_at",
                                         "pidfd_getfd",
                                         "process_vm_readv",
                                         "process_vm_writev",
                                         "pidfd_open",
                                         "mq_open",
                                         "pidfd_send_signal",
                                         "process_madvise",
                                         "fanotify_init",
                                         "vhangup",
                                         "lookup_dcookie",
                                         "mbind",
                                         "migrate_pages",
                                         "move_pages",
                                         "msgget",
                                         "semget",
                                         "shmget"};
constexpr const char* unknown_calls[] = {
    "clone3",        "openat2",     "open_tree",      "move_mount",     "fsopen",
    "fsconfig",      "fsmount",     "fspick",         "keyctl",         "add_key",
    "mount_setattr", "request_key", "io_uring_setup", "io_uring_enter", "io_uring_register"};
// TIOCSTI, TIOCLINUX, TIOCCONS, TIOCSETD
constexpr std::uint64_t refused_requests[] = {0x5412, 0x541C, 0x541D, 0x5423};

} // namespace

Result<SyscallFilter> SyscallFilter::make() {
    SyscallFilter filter(seccomp_init(SCMP_ACT_ALLOW));
    if (filter.context_ == nullptr)
        return fail(Code::NoSpace, "making a system call filter");
    SLIPWAY_CHECK(add_architectures(filter.context_));
    // A binary tree over the numbers instead of a list: calls that are allowed pay least.
    seccomp_attr_set(filter.context_, SCMP_FLTATR_CTL_OPTIMIZE, 2);
    return filter;
}

SyscallFilter::~SyscallFilter() {
    if (context_ != nullptr)
        seccomp_release(context_);
}

Status SyscallFilter::deny(const char* name, int error, std::span<const ArgumentIs> arguments) {
    int number = seccomp_syscall_resolve_name(name);
    if (number == __NR_SCMP_ERROR)
        return {};
    std::vector<scmp_arg_cmp> comparisons;
    for (const auto& argument : arguments)
        comparisons.push_back(comparison(argument));
    auto result =
        seccomp_rule_add_array(context_, SCMP_ACT_ERRNO(static_cast<std::uint16_t>(error)), number,
                               static_cast<unsigned>(comparisons.size()), comparisons.data());
    if (result != 0)
        return fail_errno(fmt::format("adding {} to the system call filter", name), -result);
    return {};
}

Result<std::vector<sock_filter>> SyscallFilter::program() const {
    SLIPWAY_TRY(auto file, make_memfd("filter"));
    if (auto result = seccomp_export_bpf(context_, file.raw()); result != 0)
        return fail_errno("compiling the system call filter", -result);
    if (::lseek(file.raw(), 0, SEEK_SET) != 0)
        return fail_errno("reading the system call filter");
    SLIPWAY_TRY(auto bytes, read_all(file, std::size_t{BPF_MAXINSNS} * sizeof(sock_filter)));
    std::vector<sock_filter> program(bytes.size() / sizeof(sock_filter));
    std::memcpy(program.data(), bytes.data(), program.size() * sizeof(sock_filter));
    return program;
}

bool has_syscall_filters() {
    std::uint32_t action = SECCOMP_RET_ERRNO;
    return ::syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) == 0;
}

int install_syscall_filter(const sock_fprog& program) {
    if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        return errno;
    if (program.len == 0)
        return 0;
    return ::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) == 0 ? 0 : errno;
}

Result<std::vector<sock_filter>> build_sandbox_filter(Files files) {
    SLIPWAY_TRY(auto filter, SyscallFilter::make());
    SLIPWAY_CHECK(deny_connections(filter));
    SLIPWAY_CHECK(deny_namespaces(filter));
    for (const auto* name : refused_calls)
        SLIPWAY_CHECK(filter.deny(name, EPERM));
    for (const auto* name : unknown_calls)
        SLIPWAY_CHECK(filter.deny(name, ENOSYS));
    for (auto request : refused_requests) {
        std::array<ArgumentIs, 1> number{ArgumentIs{.argument = 1, .value = request}};
        SLIPWAY_CHECK(filter.deny("ioctl", EPERM, number));
    }
    // The limits of other processes of the user.
    std::array<ArgumentIs, 1> another{
        ArgumentIs{.argument = 0, .value = 0, .test = ArgumentIs::Test::Differs}};
    SLIPWAY_CHECK(filter.deny("prlimit64", EPERM, another));
    if (files == Files::Sealed)
        SLIPWAY_CHECK(deny_changes_of_files(filter));
    return filter.program();
}

Result<std::vector<sock_filter>> build_code_filter() {
    SLIPWAY_TRY(auto filter, SyscallFilter::make());
    for (const auto* name : {"execve", "execveat"})
        SLIPWAY_CHECK(filter.deny(name, EPERM));
    std::array<ArgumentIs, 1> executable{
        ArgumentIs{.argument = 2, .value = PROT_EXEC, .mask = PROT_EXEC}};
    for (const auto* name : {"mmap", "mmap2", "mprotect", "pkey_mprotect"})
        SLIPWAY_CHECK(filter.deny(name, EACCES, executable));
    return filter.program();
}

} // namespace slipway::sys
