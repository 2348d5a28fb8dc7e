// SPDX-License-Identifier: Apache-2.0
#include <array>
#include <cerrno>
#include <cstring>

#include <gtest/gtest.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "enter/syscall_filter.hpp"

using namespace slipway::enter;

namespace {

constexpr std::uint32_t allowed = SECCOMP_RET_ALLOW;
std::uint32_t errno_action(int error) {
    return SECCOMP_RET_ERRNO | static_cast<std::uint32_t>(error);
}

// Executes classic BPF as far as seccomp allows it (kernel Documentation/networking/filter.rst).
class Machine {
public:
    Machine(const std::vector<sock_filter>& program, const seccomp_data& data) : program_(program) {
        std::memcpy(words_.data(), &data, sizeof data);
    }
    std::uint32_t run() {
        for (std::size_t at = 0; at < program_.size(); ++at) {
            const auto& step = program_[at];
            if (BPF_CLASS(step.code) == BPF_RET)
                return step.k;
            if (BPF_CLASS(step.code) == BPF_JMP)
                at += jump(step);
            else if (step.code == (BPF_LD | BPF_W | BPF_ABS))
                accumulator_ = words_.at(step.k / 4);
            else if (step.code == (BPF_ALU | BPF_AND | BPF_K))
                accumulator_ &= step.k;
            else
                ADD_FAILURE() << "unknown instruction " << step.code;
        }
        ADD_FAILURE() << "the program runs off its end";
        return 0;
    }

private:
    std::size_t jump(const sock_filter& step) const {
        switch (BPF_OP(step.code)) {
        case BPF_JA:
            return step.k;
        case BPF_JEQ:
            return accumulator_ == step.k ? step.jt : step.jf;
        case BPF_JGT:
            return accumulator_ > step.k ? step.jt : step.jf;
        case BPF_JGE:
            return accumulator_ >= step.k ? step.jt : step.jf;
        case BPF_JSET:
            return (accumulator_ & step.k) != 0 ? step.jt : step.jf;
        default:
            ADD_FAILURE() << "unknown jump";
            return 0;
        }
    }
    const std::vector<sock_filter>& program_;
    std::array<std::uint32_t, sizeof(seccomp_data) / 4> words_{};
    std::uint32_t accumulator_ = 0;
};

class SyscallFilter : public ::testing::Test {
protected:
    static constexpr std::uint32_t x86_64 = AUDIT_ARCH_X86_64;
    static constexpr std::uint32_t i386 = AUDIT_ARCH_I386;
    static constexpr unsigned x32_bit = 0x40000000;

    void SetUp() override {
        if (seccomp_arch_native() != SCMP_ARCH_X86_64)
            GTEST_SKIP() << "the numbers in this test are those of x86";
        program_ = *build_syscall_filter({});
    }
    std::uint32_t ask(std::uint32_t architecture, int number,
                      std::initializer_list<std::uint64_t> arguments = {}) {
        seccomp_data data{.nr = number, .arch = architecture};
        std::size_t index = 0;
        for (auto value : arguments)
            data.args[index++] = value;
        return Machine(program_, data).run();
    }
    std::uint32_t native(const char* name, std::initializer_list<std::uint64_t> arguments = {}) {
        return ask(x86_64, seccomp_syscall_resolve_name(name), arguments);
    }
    std::uint32_t legacy(const char* name, std::initializer_list<std::uint64_t> arguments = {}) {
        return ask(i386, seccomp_syscall_resolve_name_arch(SCMP_ARCH_X86, name), arguments);
    }
    std::vector<sock_filter> program_;
};

TEST_F(SyscallFilter, ChangesToTheKernelAreRefusedInEveryTable) {
    for (const auto* name :
         {"bpf", "kexec_load", "init_module", "finit_module", "delete_module", "perf_event_open",
          "open_by_handle_at", "mount", "umount2", "setns", "userfaultfd", "reboot"}) {
        EXPECT_EQ(native(name), errno_action(EPERM)) << name;
        EXPECT_EQ(legacy(name), errno_action(EPERM)) << name;
        // The table of x32 has numbers of its own for some, and a bit that the others have set.
        auto x32 =
            static_cast<unsigned>(seccomp_syscall_resolve_name_arch(SCMP_ARCH_X32, name)) | x32_bit;
        EXPECT_EQ(ask(x86_64, static_cast<int>(x32)), errno_action(EPERM)) << name << " of x32";
    }
    for (const auto* name : {"keyctl", "add_key", "request_key", "clone3", "fsopen", "open_tree",
                             "move_mount", "mount_setattr", "io_uring_setup"}) {
        EXPECT_EQ(native(name), errno_action(ENOSYS)) << name;
        EXPECT_EQ(legacy(name), errno_action(ENOSYS)) << name;
    }
}

TEST_F(SyscallFilter, OrdinaryCallsPass) {
    for (const auto* name :
         {"read", "openat", "execve", "fork", "wait4", "mknod", "chroot", "ptrace", "socketpair",
          "fchownat", "statx", "copy_file_range", "setrlimit"})
        EXPECT_EQ(native(name), allowed) << name;
}

TEST_F(SyscallFilter, UserNamespacesAreRefusedHoweverAskedFor) {
    for (std::uint64_t extra : {std::uint64_t{0}, std::uint64_t{CLONE_NEWNS},
                                std::uint64_t{SIGCHLD}, std::uint64_t{1} << 40}) {
        EXPECT_EQ(native("unshare", {CLONE_NEWUSER | extra}), errno_action(EPERM));
        EXPECT_EQ(native("clone", {CLONE_NEWUSER | extra}), errno_action(EPERM));
        EXPECT_EQ(legacy("clone", {(CLONE_NEWUSER | extra) & 0xFFFFFFFF}), errno_action(EPERM));
    }
    EXPECT_EQ(native("clone", {SIGCHLD}), allowed);
    EXPECT_EQ(native("unshare", {CLONE_FS | CLONE_FILES}), allowed);
}

TEST_F(SyscallFilter, TerminalInjectionIsRefusedWhateverTheHighBitsSay) {
    for (std::uint64_t high : {std::uint64_t{0}, std::uint64_t{1} << 32, ~std::uint64_t{0} << 32})
        for (std::uint64_t request : {0x5412UL, 0x541CUL, 0x5423UL})
            EXPECT_EQ(native("ioctl", {0, high | request}), errno_action(EPERM)) << request;
    EXPECT_EQ(native("ioctl", {0, 0x4C01}), errno_action(ENOTTY)) << "LOOP_CLR_FD";
    EXPECT_EQ(native("ioctl", {0, 0x5413}), allowed) << "TIOCGWINSZ";
    EXPECT_EQ(native("ioctl", {0, 0x1272}), allowed)
        << "BLKGETSIZE64, which ends like a loop request";
    EXPECT_EQ(legacy("ioctl", {0, 0x5412}), errno_action(EPERM));
}

TEST_F(SyscallFilter, TheCoreLimitCannotBeLoweredToWhereTheHostsHandlerRuns) {
    EXPECT_EQ(native("setrlimit", {RLIMIT_CORE}), errno_action(0));
    EXPECT_EQ(native("prlimit64", {0, RLIMIT_CORE, 0x7fff00000000}), errno_action(0));
    EXPECT_EQ(native("prlimit64", {0, RLIMIT_CORE, 0}), allowed) << "reading it";
    EXPECT_EQ(native("prlimit64", {0, RLIMIT_NOFILE, 0x7fff}), allowed);
}

TEST_F(SyscallFilter, SocketsThatNoNamespaceConfinesAreRefused) {
    EXPECT_EQ(native("socket", {AF_VSOCK, SOCK_STREAM, 0}), errno_action(EAFNOSUPPORT));
    EXPECT_EQ(native("socket", {AF_NETLINK, SOCK_RAW, 15}), errno_action(EPROTONOSUPPORT));
    EXPECT_EQ(native("socket", {AF_NETLINK, SOCK_RAW, 0}), allowed)
        << "routes of its own namespace";
    EXPECT_EQ(native("socket", {AF_UNIX, SOCK_STREAM, 0}), allowed);
    constexpr int i386_socket = 359, i386_socketcall = 102, sys_socket = 1, sys_bind = 2;
    EXPECT_EQ(ask(i386, i386_socket, {AF_VSOCK, SOCK_STREAM, 0}), errno_action(EAFNOSUPPORT));
    EXPECT_EQ(ask(i386, i386_socket, {AF_UNIX, SOCK_STREAM, 0}), allowed);
    // socketcall(2) has its arguments in memory, so its socket() is refused altogether.
    EXPECT_NE(ask(i386, i386_socketcall, {sys_socket}), allowed);
    EXPECT_EQ(ask(i386, i386_socketcall, {sys_bind}), allowed);
}

TEST_F(SyscallFilter, BlockNodesAreRefusedWhereThereIsNoDeviceCgroup) {
    EXPECT_EQ(native("mknod", {0, S_IFBLK | 0600}), allowed);
    program_ = *build_syscall_filter({.deny_block_nodes = true});
    EXPECT_EQ(native("mknod", {0, S_IFBLK | 0600}), errno_action(EPERM));
    EXPECT_EQ(native("mknodat", {0, 0, S_IFBLK | 0644}), errno_action(EPERM));
    EXPECT_EQ(native("mknod", {0, S_IFCHR | 0600}), allowed);
    EXPECT_EQ(legacy("mknodat", {0, 0, S_IFBLK}), errno_action(EPERM));
}

TEST_F(SyscallFilter, OtherArchitecturesAreNotRun) {
    EXPECT_NE(ask(AUDIT_ARCH_AARCH64, 0) & SECCOMP_RET_ACTION_FULL, allowed);
}

TEST(Capabilities, WhatReachesTheHostIsNotKept) {
    for (int dropped :
         {CAP_SYS_ADMIN,    CAP_SYS_MODULE,         CAP_SYS_RAWIO,      CAP_SYS_BOOT,
          CAP_SYS_TIME,     CAP_SYS_PTRACE,         CAP_NET_ADMIN,      CAP_DAC_READ_SEARCH,
          CAP_SYSLOG,       CAP_MAC_ADMIN,          CAP_MAC_OVERRIDE,   CAP_PERFMON,
          CAP_BPF,          CAP_CHECKPOINT_RESTORE, CAP_WAKE_ALARM,     CAP_BLOCK_SUSPEND,
          CAP_SYS_RESOURCE, CAP_SYS_NICE,           CAP_NET_RAW,        CAP_AUDIT_CONTROL,
          CAP_AUDIT_WRITE,  CAP_AUDIT_READ,         CAP_SYS_TTY_CONFIG, CAP_IPC_LOCK,
          CAP_SYS_PACCT})
        EXPECT_EQ(kept_capabilities() >> dropped & 1, 0U) << dropped;
    for (int kept : {CAP_MKNOD, CAP_CHOWN, CAP_SETUID, CAP_DAC_OVERRIDE, CAP_SYS_CHROOT})
        EXPECT_EQ(kept_capabilities() >> kept & 1, 1U) << kept;
}

} // namespace
