// SPDX-License-Identifier: Apache-2.0
#include "enter/syscall_filter.hpp"

#include <array>
#include <cerrno>

#include <linux/capability.h>
#include <linux/sched.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "sys/syscall_filter.hpp"

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

using sys::ArgumentIs;
using sys::SyscallFilter;

Status deny_user_namespaces(SyscallFilter& filter) {
    std::array<ArgumentIs, 1> flags{
        ArgumentIs{.argument = 0, .value = CLONE_NEWUSER, .mask = CLONE_NEWUSER}};
    SLIPWAY_CHECK(filter.deny("clone", EPERM, flags));
    return filter.deny("unshare", EPERM, flags);
}

// A core dump limit of 1 keeps the host's core_pattern handler from running (core(5)). A program
// that lowers it to 0, as daemons do, would bring the handler back, so it is told "done".
Status keep_core_limit(SyscallFilter& filter) {
    std::array<ArgumentIs, 1> old_call{ArgumentIs{.argument = 0, .value = RLIMIT_CORE}};
    SLIPWAY_CHECK(filter.deny("setrlimit", pretend_success, old_call));
    std::array<ArgumentIs, 2> new_call{
        ArgumentIs{.argument = 1, .value = RLIMIT_CORE},
        ArgumentIs{.argument = 2, .value = 0, .test = ArgumentIs::Test::Differs}};
    return filter.deny("prlimit64", pretend_success, new_call);
}

// Sockets that no network namespace confines: to the hypervisor, and the kernel's device events.
Status deny_host_sockets(SyscallFilter& filter) {
    std::array<ArgumentIs, 1> vsock{ArgumentIs{.argument = 0, .value = AF_VSOCK}};
    SLIPWAY_CHECK(filter.deny("socket", EAFNOSUPPORT, vsock));
    constexpr std::uint64_t kobject_uevent = 15; // NETLINK_KOBJECT_UEVENT
    std::array<ArgumentIs, 2> uevent{ArgumentIs{.argument = 0, .value = AF_NETLINK},
                                     ArgumentIs{.argument = 2, .value = kobject_uevent}};
    return filter.deny("socket", EPROTONOSUPPORT, uevent);
}

Status deny_block_nodes(SyscallFilter& filter) {
    std::array<ArgumentIs, 1> mknod{ArgumentIs{.argument = 1, .value = S_IFBLK, .mask = S_IFMT}};
    SLIPWAY_CHECK(filter.deny("mknod", EPERM, mknod));
    std::array<ArgumentIs, 1> mknodat{ArgumentIs{.argument = 2, .value = S_IFBLK, .mask = S_IFMT}};
    return filter.deny("mknodat", EPERM, mknodat);
}

} // namespace

Result<std::vector<sock_filter>> build_syscall_filter(const FilterOptions& options) {
    SLIPWAY_TRY(auto filter, SyscallFilter::make());
    for (const auto& denial : denied_calls)
        SLIPWAY_CHECK(filter.deny(denial.name, denial.error));
    for (const auto& denial : denied_ioctls) {
        std::array<ArgumentIs, 1> request{
            ArgumentIs{.argument = 1, .value = denial.value, .mask = denial.mask}};
        SLIPWAY_CHECK(filter.deny("ioctl", denial.error, request));
    }
    SLIPWAY_CHECK(deny_user_namespaces(filter));
    SLIPWAY_CHECK(keep_core_limit(filter));
    SLIPWAY_CHECK(deny_host_sockets(filter));
    if (options.deny_block_nodes)
        SLIPWAY_CHECK(deny_block_nodes(filter));
    return filter.program();
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

} // namespace slipway::enter
