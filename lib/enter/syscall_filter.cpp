// SPDX-License-Identifier: Apache-2.0
#include "enter/syscall_filter.hpp"

#include <array>
#include <cerrno>
#include <cstring>
#include <memory>
#include <span>

#include <linux/capability.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <fmt/format.h>

#include "sys/fd.hpp"

namespace slipway::enter {
namespace {

constexpr std::uint64_t low_word = 0xFFFFFFFF;
constexpr int pretend_success = 0;

struct Denial {
    const char* name;
    int error;
};

// Refused whatever the arguments. ENOSYS where callers then use an older way, or take it for a
// kernel without that feature; EPERM elsewhere.
constexpr Denial denied_calls[] = {
    // Changes to the running kernel.
    {"bpf", EPERM},
    {"kexec_load", EPERM},
    {"kexec_file_load", EPERM},
    {"init_module", EPERM},
    {"finit_module", EPERM},
    {"delete_module", EPERM},
    {"perf_event_open", EPERM},
    {"reboot", EPERM},
    {"swapon", EPERM},
    {"swapoff", EPERM},
    {"acct", EPERM},
    {"quotactl", EPERM},
    {"quotactl_fd", EPERM},
    {"iopl", EPERM},
    {"ioperm", EPERM},
    {"syslog", EPERM},
    {"settimeofday", EPERM},
    {"clock_settime", EPERM},
    {"clock_settime64", EPERM},
    {"stime", EPERM},
    {"vhangup", EPERM},
    // Keyrings are per user id, and the guest's root is the host's root there.
    {"keyctl", ENOSYS},
    {"add_key", ENOSYS},
    {"request_key", ENOSYS},
    // Ways around the mount namespace, and what could uncover what we cover.
    {"open_by_handle_at", EPERM},
    {"mount", EPERM},
    {"umount", EPERM},
    {"umount2", EPERM},
    {"pivot_root", EPERM},
    {"setns", EPERM},
    {"open_tree", ENOSYS},
    {"move_mount", ENOSYS},
    {"fsopen", ENOSYS},
    {"fsconfig", ENOSYS},
    {"fsmount", ENOSYS},
    {"fspick", ENOSYS},
    {"mount_setattr", ENOSYS},
    // The flags of clone3 are in memory, where a filter cannot see CLONE_NEWUSER.
    {"clone3", ENOSYS},
    // Large attack surface, and no boot tool wants them.
    {"userfaultfd", EPERM},
    {"io_uring_setup", ENOSYS},
    {"io_uring_enter", ENOSYS},
    {"io_uring_register", ENOSYS},
};

// Requests of ioctl(2) by value under a mask. The kernel looks at the low 32 bits only.
struct DeniedIoctl {
    std::uint64_t mask, value;
    int error;
};
constexpr DeniedIoctl denied_ioctls[] = {
    {low_word, 0x5412, EPERM},    // TIOCSTI: types into a terminal of the caller
    {low_word, 0x541C, EPERM},    // TIOCLINUX: pastes into a virtual console
    {low_word, 0x541D, EPERM},    // TIOCCONS: takes the kernel's console
    {low_word, 0x5423, EPERM},    // TIOCSETD: loads line disciplines
    {0xFFFFFF00, 0x4C00, ENOTTY}, // LOOP_*: the guest's disk is a loop device of the host
};

class Filter {
public:
    Filter() : context_(seccomp_init(SCMP_ACT_ALLOW)) {}
    ~Filter() {
        if (context_ != nullptr)
            seccomp_release(context_);
    }
    Filter(const Filter&) = delete;
    Filter& operator=(const Filter&) = delete;

    [[nodiscard]] scmp_filter_ctx get() const { return context_; }
    // Calls that an architecture or this libseccomp does not have are left out.
    [[nodiscard]] Status deny(const char* name, int error,
                              std::span<const scmp_arg_cmp> arguments = {}) {
        int number = seccomp_syscall_resolve_name(name);
        if (number == __NR_SCMP_ERROR)
            return {};
        auto result = seccomp_rule_add_array(
            context_, SCMP_ACT_ERRNO(static_cast<std::uint16_t>(error)), number,
            static_cast<unsigned>(arguments.size()), arguments.data());
        if (result != 0)
            return fail_errno(fmt::format("adding {} to the system call filter", name), -result);
        return {};
    }

private:
    scmp_filter_ctx context_;
};

scmp_arg_cmp equal(unsigned argument, std::uint64_t value, std::uint64_t mask = low_word) {
    return {.arg = argument, .op = SCMP_CMP_MASKED_EQ, .datum_a = mask, .datum_b = value};
}

Status add_architectures(Filter& filter) {
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
            if (auto result = seccomp_arch_add(filter.get(), architecture);
                result != 0 && result != -EEXIST)
                return fail_errno("adding an architecture to the system call filter", -result);
    return {};
}

Status deny_user_namespaces(Filter& filter) {
    std::array<scmp_arg_cmp, 1> flags{equal(0, CLONE_NEWUSER, CLONE_NEWUSER)};
    SLIPWAY_CHECK(filter.deny("clone", EPERM, flags));
    return filter.deny("unshare", EPERM, flags);
}

// A core dump limit of 1 keeps the host's core_pattern handler from running (core(5)). A program
// that lowers it to 0, as daemons do, would bring the handler back, so it is told "done".
Status keep_core_limit(Filter& filter) {
    std::array<scmp_arg_cmp, 1> old_call{equal(0, RLIMIT_CORE)};
    SLIPWAY_CHECK(filter.deny("setrlimit", pretend_success, old_call));
    std::array<scmp_arg_cmp, 2> new_call{equal(1, RLIMIT_CORE),
                                         {.arg = 2, .op = SCMP_CMP_NE, .datum_a = 0, .datum_b = 0}};
    return filter.deny("prlimit64", pretend_success, new_call);
}

// Sockets that no network namespace confines: to the hypervisor, and the kernel's device events.
Status deny_host_sockets(Filter& filter) {
    std::array<scmp_arg_cmp, 1> vsock{equal(0, AF_VSOCK)};
    SLIPWAY_CHECK(filter.deny("socket", EAFNOSUPPORT, vsock));
    constexpr std::uint64_t kobject_uevent = 15; // NETLINK_KOBJECT_UEVENT
    std::array<scmp_arg_cmp, 2> uevent{equal(0, AF_NETLINK), equal(2, kobject_uevent)};
    return filter.deny("socket", EPROTONOSUPPORT, uevent);
}

Status deny_block_nodes(Filter& filter) {
    std::array<scmp_arg_cmp, 1> mknod{equal(1, S_IFBLK, S_IFMT)};
    SLIPWAY_CHECK(filter.deny("mknod", EPERM, mknod));
    std::array<scmp_arg_cmp, 1> mknodat{equal(2, S_IFBLK, S_IFMT)};
    return filter.deny("mknodat", EPERM, mknodat);
}

Result<std::vector<sock_filter>> export_program(const Filter& filter) {
    SLIPWAY_TRY(auto file, sys::make_memfd("filter"));
    if (auto result = seccomp_export_bpf(filter.get(), file.raw()); result != 0)
        return fail_errno("compiling the system call filter", -result);
    if (::lseek(file.raw(), 0, SEEK_SET) != 0)
        return fail_errno("reading the system call filter");
    SLIPWAY_TRY(auto bytes, sys::read_all(file, std::size_t{BPF_MAXINSNS} * sizeof(sock_filter)));
    std::vector<sock_filter> program(bytes.size() / sizeof(sock_filter));
    std::memcpy(program.data(), bytes.data(), program.size() * sizeof(sock_filter));
    return program;
}

} // namespace

Result<std::vector<sock_filter>> build_syscall_filter(const FilterOptions& options) {
    Filter filter;
    if (filter.get() == nullptr)
        return fail(Code::NoSpace, "making a system call filter");
    SLIPWAY_CHECK(add_architectures(filter));
    // A binary tree over the numbers instead of a list: calls that are allowed pay least.
    seccomp_attr_set(filter.get(), SCMP_FLTATR_CTL_OPTIMIZE, 2);
    for (const auto& denial : denied_calls)
        SLIPWAY_CHECK(filter.deny(denial.name, denial.error));
    for (const auto& denial : denied_ioctls) {
        std::array<scmp_arg_cmp, 1> request{equal(1, denial.value, denial.mask)};
        SLIPWAY_CHECK(filter.deny("ioctl", denial.error, request));
    }
    SLIPWAY_CHECK(deny_user_namespaces(filter));
    SLIPWAY_CHECK(keep_core_limit(filter));
    SLIPWAY_CHECK(deny_host_sockets(filter));
    if (options.deny_block_nodes)
        SLIPWAY_CHECK(deny_block_nodes(filter));
    return export_program(filter);
}

bool has_syscall_filters() {
    std::uint32_t action = SECCOMP_RET_ERRNO;
    return ::syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) == 0;
}

std::uint64_t kept_capabilities() {
    // What package managers, useradd, tar, dracut and initramfs-tools need on files and processes
    // of their own. Not here on purpose: SYS_RESOURCE and SYS_NICE (the host's limits), NET_RAW
    // (would see the host's packets with --network), AUDIT_WRITE (the host's audit log).
    constexpr std::array kept{
        CAP_CHOWN,  CAP_DAC_OVERRIDE, CAP_FOWNER,           CAP_FSETID,         CAP_KILL,
        CAP_SETGID, CAP_SETUID,       CAP_SETPCAP,          CAP_SETFCAP,        CAP_MKNOD,
        CAP_LEASE,  CAP_SYS_CHROOT,   CAP_NET_BIND_SERVICE, CAP_LINUX_IMMUTABLE};
    std::uint64_t mask = 0;
    for (int capability : kept)
        mask |= std::uint64_t{1} << capability;
    return mask;
}

int install_syscall_filter(const sock_fprog& program) {
    if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        return errno;
    if (program.len == 0)
        return 0;
    return ::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) == 0 ? 0 : errno;
}

} // namespace slipway::enter
