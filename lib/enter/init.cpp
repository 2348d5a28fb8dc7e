// SPDX-License-Identifier: Apache-2.0
#include "enter/init.hpp"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <ctime>

#include <fcntl.h>
#include <linux/close_range.h>
#include <linux/keyctl.h>
#include <poll.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "enter/nodev.hpp"
#include "enter/syscall_filter.hpp"
#include "sys/confine.hpp"
#include "sys/process.hpp"
#include "sys/syscall_filter.hpp"

namespace slipway::enter {
namespace {

constexpr std::int64_t nanoseconds = 1'000'000'000;
constexpr std::int64_t grace = 2 * nanoseconds; // between SIGTERM and SIGKILL at the deadline
// The descriptors that are kept are first moved above these, so that no two numbers collide.
constexpr int staging_base = 16;
constexpr int control_fd = 3;
constexpr int network_fd = 4;
constexpr int cgroup_fd = 5;
constexpr int standard_base = 6;
constexpr int last_kept_fd = 8;

std::int64_t now() {
    timespec time{};
    ::clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * nanoseconds + time.tv_nsec;
}

void send_report(const InitPlan& plan, const InitReport& report, int passed_fd = -1) {
    iovec data{.iov_base = const_cast<InitReport*>(&report), .iov_len = sizeof report};
    alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> buffer{};
    msghdr message{};
    message.msg_iov = &data;
    message.msg_iovlen = 1;
    if (passed_fd >= 0) {
        message.msg_control = buffer.data();
        message.msg_controllen = buffer.size();
        auto* header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(sizeof(int));
        *reinterpret_cast<int*>(CMSG_DATA(header)) = passed_fd;
    }
    [[maybe_unused]] auto sent = ::sendmsg(plan.control, &message, MSG_NOSIGNAL);
}

[[noreturn]] void give_up(const InitPlan& plan, int step, int error) {
    send_report(plan, {.kind = InitReport::Kind::Failed, .step = step, .error = error});
    ::_exit(1);
}
[[noreturn]] void give_up(const InitPlan& plan, InitStep step) {
    give_up(plan, static_cast<int>(step), errno);
}

void reset_handlers() {
    struct sigaction standard {};
    standard.sa_handler = SIG_DFL;
    for (int number = 1; number < NSIG; ++number)
        ::sigaction(number, &standard, nullptr);
}

void stage_descriptor(int& fd) {
    if (fd >= 0 && (fd = ::fcntl(fd, F_DUPFD_CLOEXEC, staging_base)) < 0)
        ::_exit(1);
}
void place_descriptor(int& fd, int number) {
    if (fd >= 0 && (fd = ::dup3(fd, number, O_CLOEXEC)) < 0)
        ::_exit(1);
}

// Only what the plan names stays open: the caller may hold images and sockets.
void keep_descriptors(InitPlan& plan) {
    stage_descriptor(plan.control);
    stage_descriptor(plan.null);
    stage_descriptor(plan.network);
    stage_descriptor(plan.cgroup_procs);
    for (auto& fd : plan.standard)
        stage_descriptor(fd);
    place_descriptor(plan.control, control_fd);
    place_descriptor(plan.network, network_fd);
    place_descriptor(plan.cgroup_procs, cgroup_fd);
    for (std::size_t i = 0; i < plan.standard.size(); ++i)
        place_descriptor(plan.standard[i], standard_base + static_cast<int>(i));
    for (int number = 0; number < control_fd; ++number) {
        int copy = plan.null;
        place_descriptor(copy, number);
    }
    ::syscall(SYS_close_range, last_kept_fd + 1, ~0U, 0);
}

// The caller may have died before the prctl(2), and nobody would ever end us.
void check_parent(const InitPlan& plan) {
    pollfd peer{.fd = plan.control, .events = 0, .revents = 0};
    if (::poll(&peer, 1, 0) > 0 && (peer.revents & (POLLHUP | POLLERR)) != 0)
        ::_exit(1);
}

void join_namespaces(const InitPlan& plan) {
    if (plan.cgroup_procs >= 0) {
        // The cgroup namespace was made before the move, so its root is the caller's cgroup.
        if (::write(plan.cgroup_procs, "0", 1) != 1)
            give_up(plan, InitStep::Cgroup);
        ::close(plan.cgroup_procs);
    }
    if (plan.network >= 0) {
        if (::setns(plan.network, CLONE_NEWNET) != 0)
            give_up(plan, InitStep::Network);
        ::close(plan.network);
    }
    if (plan.own_hostname && ::sethostname(plan.hostname.data(), plan.hostname.size()) != 0)
        give_up(plan, InitStep::Hostname);
}

void replace_root(const InitPlan& plan, int stage) {
    if (plan.bind_root &&
        ::mount(plan.directory, plan.directory, nullptr, MS_BIND | MS_REC, nullptr) != 0)
        give_up(plan, InitStep::Root);
    if (::chdir(plan.directory) != 0)
        give_up(plan, InitStep::Root);
    if (int error =
            plan.classic_nodev ? set_nodev_one_by_one(plan.nodev_paths) : set_nodev_below(".");
        error != 0)
        give_up(plan, static_cast<int>(InitStep::Nodev), error);
    // The old root ends up on top of the new one (pivot_root(2), "pivot_root(".", ".")"). The
    // initial ramfs cannot be pivoted away; it is covered for good then, as switch_root(8) does.
    if (::syscall(SYS_pivot_root, ".", ".") != 0 &&
        (errno != EINVAL || ::mount(".", "/", nullptr, MS_MOVE, nullptr) != 0 ||
         ::chroot(".") != 0))
        give_up(plan, InitStep::Pivot);
    if (::fchdir(stage) != 0)
        give_up(plan, InitStep::Stage);
}

void build_view(const InitPlan& plan) {
    int stage = ::open(plan.stage, O_PATH | O_DIRECTORY | O_CLOEXEC);
    int old_root = ::open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (stage < 0 || old_root < 0)
        give_up(plan, InitStep::Stage);
    replace_root(plan, stage);
    // From here on every absolute path is resolved inside the guest, whatever links it has.
    ::umask(0);
    int number = static_cast<int>(InitStep::FirstOfScript);
    for (auto script : plan.scripts)
        for (const auto& step : script) {
            if (int error = perform(step); error != 0)
                give_up(plan, number, error);
            ++number;
        }
    ::umask(022);
    if (::fchdir(old_root) != 0 || (::umount2(".", MNT_DETACH) != 0 && errno != EINVAL) ||
        ::chdir("/") != 0)
        give_up(plan, InitStep::Detach);
    ::close(old_root);
    ::close(stage);
}

// /proc/1/cmdline would show the caller's command line, with paths of the host. This memory is a
// copy already; prctl(2) could point elsewhere, but needs CAP_SYS_RESOURCE.
void take_name(const InitPlan& plan) {
    constexpr std::string_view name = "init";
    ::prctl(PR_SET_NAME, name.data());
    std::fill(plan.command_line.begin(), plan.command_line.end(), '\0');
    if (plan.command_line.size() > name.size())
        std::copy(name.begin(), name.end(), plan.command_line.begin());
}

void drop_privileges(const InitPlan& plan) {
    take_name(plan);
    rlimit core{.rlim_cur = 1, .rlim_max = 1};
    if (::setrlimit(RLIMIT_CORE, &core) != 0)
        give_up(plan, InitStep::Privileges);
    // Kernels without keyrings have nothing to protect.
    if (::syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, nullptr) < 0 && errno != ENOSYS)
        give_up(plan, InitStep::Privileges);
    if (::syscall(SYS_setgroups, 0, nullptr) != 0)
        give_up(plan, InitStep::Privileges);
    if (int error = sys::keep_only_capabilities(plan.capabilities); error != 0)
        give_up(plan, static_cast<int>(InitStep::Privileges), error);
    // Memory and descriptors of this process are a copy of the caller's: out of reach without
    // CAP_SYS_PTRACE (ptrace(2), "Ptrace access mode checking").
    if (::prctl(PR_SET_DUMPABLE, 0) != 0)
        give_up(plan, InitStep::Privileges);
    if (int error = sys::install_syscall_filter(plan.filter); error != 0)
        give_up(plan, static_cast<int>(InitStep::Filter), error);
}

struct Terminal {
    int master = -1;
    int slave = -1;
};

Terminal open_terminal(const InitPlan& plan) {
    Terminal terminal;
    terminal.master = ::open("/dev/pts/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC);
    int unlock = 0;
    if (terminal.master < 0 || ::ioctl(terminal.master, TIOCSPTLCK, &unlock) != 0)
        give_up(plan, InitStep::Terminal);
    terminal.slave = ::ioctl(terminal.master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (terminal.slave < 0)
        give_up(plan, InitStep::Terminal);
    ::ioctl(terminal.master, TIOCSWINSZ, &plan.window);
    return terminal;
}

// "Not found" only if no candidate was there; execvp(3) decides likewise.
int execute(const InitPlan& plan) {
    int error = ENOENT;
    for (const char* program : plan.programs) {
        ::execve(program, plan.argv, plan.env);
        if (errno != ENOENT && errno != ENOTDIR)
            error = errno;
        if (errno != ENOENT && errno != ENOTDIR && errno != EACCES)
            break;
    }
    return error;
}

// Shares its memory with the init, which waits until it has executed the command or ended.
int command_body(void* argument) {
    auto& plan = *static_cast<InitPlan*>(argument);
    if (plan.tty)
        ::setsid();
    else
        ::setpgid(0, 0);
    for (int number = 0; number <= 2; ++number)
        if (::dup2(plan.standard[static_cast<std::size_t>(number)], number) < 0) {
            plan.failed_step = InitStep::Command;
            plan.exec_error = errno;
            return 1;
        }
    if (plan.tty)
        for (int number = 0; number <= 2; ++number)
            if (::ioctl(number, TIOCSCTTY, 0) == 0)
                break;
    if (::chdir(plan.cwd) != 0) {
        plan.failed_step = InitStep::Directory;
        plan.exec_error = errno;
        return 1;
    }
    sigset_t none;
    ::sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
    plan.exec_time = now();
    plan.exec_error = execute(plan);
    return 1;
}

pid_t start_command(InitPlan& plan) {
    Terminal terminal;
    if (plan.tty) {
        terminal = open_terminal(plan);
        for (auto& fd : plan.standard)
            fd = fd < 0 ? terminal.slave : fd;
    }
    pid_t pid = sys::clone_until_exec(command_body, &plan, plan.stack);
    if (pid < 0)
        give_up(plan, static_cast<int>(InitStep::Command), -pid);
    if (plan.failed_step)
        give_up(plan, static_cast<int>(*plan.failed_step), plan.exec_error);
    auto kind = plan.exec_error == 0 ? InitReport::Kind::Started : InitReport::Kind::NotExecuted;
    send_report(plan, {.kind = kind, .error = plan.exec_error, .at = plan.exec_time},
                terminal.master);
    // The command's readers and writers shall see its end, not ours.
    ::syscall(SYS_close_range, control_fd + 1, ~0U, 0);
    if (kind == InitReport::Kind::NotExecuted)
        ::_exit(0);
    return pid;
}

// Reaps whatever ended; true once the command did.
bool reap_all(pid_t command, int& status) {
    bool ended = false;
    int one = 0;
    for (pid_t pid = ::waitpid(-1, &one, WNOHANG); pid > 0; pid = ::waitpid(-1, &one, WNOHANG))
        if (pid == command) {
            status = one;
            ended = true;
        }
    return ended;
}

timespec time_until(std::int64_t moment) {
    auto left = std::max<std::int64_t>(moment - now(), 0);
    return {.tv_sec = left / nanoseconds, .tv_nsec = left % nanoseconds};
}

void supervise(const InitPlan& plan, pid_t command, const sigset_t& signals) {
    auto moment = plan.deadline == 0 ? 0 : now() + plan.deadline;
    InitReport report{.kind = InitReport::Kind::Ended};
    while (true) {
        timespec left = time_until(moment);
        siginfo_t info{};
        // Straight system calls: the C library of the moment after a fork is not to be relied on.
        auto number = ::syscall(SYS_rt_sigtimedwait, &signals, &info, moment == 0 ? nullptr : &left,
                                NSIG / 8);
        if (number == forward_signal() && info.si_pid == 0) {
            ::kill(-command, info.si_value.sival_int);
        } else if (number < 0 && errno == EAGAIN && moment != 0) {
            ::kill(report.timed_out ? -1 : -command, report.timed_out ? SIGKILL : SIGTERM);
            moment = report.timed_out ? 0 : now() + grace;
            report.timed_out = true;
        }
        if (reap_all(command, report.wait_status))
            break;
    }
    report.at = now();
    send_report(plan, report);
}

} // namespace

int forward_signal() {
    return SIGRTMIN;
}

std::string_view describe(InitStep step) {
    switch (step) {
    case InitStep::Cgroup:
        return "entering the device cgroup";
    case InitStep::Network:
        return "entering the network namespace";
    case InitStep::Hostname:
        return "setting the host name";
    case InitStep::Stage:
        return "opening the stage of /sys";
    case InitStep::Root:
        return "going to the guest's root";
    case InitStep::Nodev:
        return "mounting the guest's filesystems nodev";
    case InitStep::Pivot:
        return "making the guest's root the root";
    case InitStep::Detach:
        return "detaching the host's root";
    case InitStep::Terminal:
        return "opening a terminal";
    case InitStep::Privileges:
        return "dropping privileges";
    case InitStep::Filter:
        return "installing the system call filter";
    case InitStep::Directory:
        return "going to the command's directory";
    case InitStep::Command:
        return "starting the command";
    case InitStep::FirstOfScript:
        break;
    }
    return "running the mount script";
}

int init_body(void* argument) {
    auto& plan = *static_cast<InitPlan*>(argument);
    sigset_t all;
    ::sigfillset(&all);
    ::sigprocmask(SIG_SETMASK, &all, nullptr);
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    reset_handlers();
    ::setsid();
    keep_descriptors(plan);
    check_parent(plan);
    join_namespaces(plan);
    build_view(plan);
    drop_privileges(plan);
    pid_t command = start_command(plan);
    sigset_t wanted;
    ::sigemptyset(&wanted);
    ::sigaddset(&wanted, SIGCHLD);
    ::sigaddset(&wanted, forward_signal());
    supervise(plan, command, wanted);
    return 0;
}

} // namespace slipway::enter
