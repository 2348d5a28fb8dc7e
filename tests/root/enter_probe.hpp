// SPDX-License-Identifier: Apache-2.0
// Looks at the enhanced chroot from inside, as a hostile root of the guest would, and says what is
// not as it must be. Shared by the root tests and the bench, which copy themselves into a guest.
#pragma once

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include <fcntl.h>
#include <ifaddrs.h>
#include <linux/sched.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fmt/format.h>

#include "enter/syscall_filter.hpp"

namespace slipway::enter_probe {

inline constexpr auto option =
    "--probe-isolation"; ///< followed by the host name and the disks' names

class Probe {
public:
    void expect(bool good, std::string_view what) {
        if (!good)
            problems.emplace_back(what);
    }
    void refused(long result, std::initializer_list<int> errors, std::string_view what) {
        int error = result < 0 ? errno : 0;
        for (int wanted : errors)
            if (error == wanted)
                return;
        problems.push_back(
            fmt::format("{}: {}", what, result < 0 ? std::strerror(error) : "was allowed"));
    }
    std::vector<std::string> problems;
};

inline std::string slurp(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    std::ostringstream text;
    text << file.rdbuf();
    return text.str();
}
inline std::string field(const std::string& text, const std::string& name) {
    auto start = text.find("\n" + name + ":");
    if (start == std::string::npos)
        return {};
    std::istringstream rest(text.substr(start + name.size() + 2));
    std::string word;
    rest >> word;
    return word;
}
inline bool is_number(const std::string& text) {
    return !text.empty() && text.find_first_not_of("0123456789") == std::string::npos;
}

inline void look_at_processes(Probe& probe) {
    probe.expect(::getpid() < 10 && ::getppid() == 1, "own PID namespace");
    probe.expect(slurp("/proc/1/comm") == "init\n", "process 1 is our init");
    auto line = slurp("/proc/1/cmdline");
    probe.expect(std::string(line.c_str()) == "init" &&
                     line.find_first_not_of('\0', 5) == std::string::npos,
                 "command line of the caller hidden");
    probe.refused(::open("/proc/1/mem", O_RDONLY), {EACCES, EPERM}, "memory of the init");
    probe.refused(::open("/proc/1/environ", O_RDONLY), {EACCES, EPERM}, "environment of the init");
    probe.refused(::open("/proc/1/root/etc", O_PATH), {EACCES, EPERM}, "/proc/1/root");
    probe.refused(::open("/proc/1/fd/3", O_PATH), {EACCES, EPERM}, "descriptors of the init");
    for (const auto& entry : std::filesystem::directory_iterator("/proc"))
        if (auto name = entry.path().filename().string(); is_number(name))
            probe.expect(std::stoi(name) < 100, "processes of the host in /proc");
    for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
        std::error_code ignored;
        auto target = std::filesystem::read_symlink(entry.path(), ignored).string();
        probe.expect(std::stoi(entry.path().filename().string()) <= 2 ||
                         target.starts_with("/proc/"),
                     "a descriptor leaked: " + target);
    }
}

inline void look_at_privileges(Probe& probe) {
    auto status = slurp("/proc/self/status");
    auto kept = fmt::format("{:016x}", enter::kept_capabilities());
    for (const auto* set : {"CapPrm", "CapEff", "CapBnd"})
        probe.expect(field(status, set) == kept, std::string(set) + " is the list");
    for (const auto* set : {"CapInh", "CapAmb"})
        probe.expect(field(status, set) == "0000000000000000", std::string(set) + " is empty");
    probe.expect(field(status, "NoNewPrivs") == "1", "no_new_privs");
    probe.expect(field(status, "Seccomp") == "2", "a system call filter");
    rlimit none{.rlim_cur = 0, .rlim_max = 0};
    probe.expect(::setrlimit(RLIMIT_CORE, &none) == 0, "lowering the core limit seems to work");
    rlimit core{};
    ::getrlimit(RLIMIT_CORE, &core);
    probe.expect(core.rlim_cur == 1 && core.rlim_max == 1, "core limit stays 1");
}

inline long clone_new_user() {
    auto pid = ::syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, nullptr, nullptr, nullptr, 0);
    if (pid == 0)
        ::_exit(0);
    return pid;
}

inline void try_system_calls(Probe& probe) {
    auto call = [&](const char* name, auto number, int error, auto... arguments) {
        probe.refused(::syscall(number, arguments...), {error}, name);
    };
    char path[] = "/";
    call("bpf", SYS_bpf, EPERM, 0, nullptr, 0);
    call("kexec_load", SYS_kexec_load, EPERM, 0, 0, nullptr, 0);
    call("kexec_file_load", SYS_kexec_file_load, EPERM, -1, -1, 0, nullptr, 0);
    call("init_module", SYS_init_module, EPERM, nullptr, 0, path);
    call("finit_module", SYS_finit_module, EPERM, -1, path, 0);
    call("delete_module", SYS_delete_module, EPERM, path, 0);
    call("keyctl", SYS_keyctl, ENOSYS, 0, 0, 0, 0, 0);
    call("add_key", SYS_add_key, ENOSYS, path, path, nullptr, 0, -3);
    call("request_key", SYS_request_key, ENOSYS, path, path, nullptr, 0);
    call("perf_event_open", SYS_perf_event_open, EPERM, nullptr, 0, -1, -1, 0);
    call("open_by_handle_at", SYS_open_by_handle_at, EPERM, AT_FDCWD, nullptr, 0);
    call("userfaultfd", SYS_userfaultfd, EPERM, 0);
    call("io_uring_setup", SYS_io_uring_setup, ENOSYS, 1, nullptr);
    call("clone3", SYS_clone3, ENOSYS, nullptr, 0);
    call("mount", SYS_mount, EPERM, "none", path, "tmpfs", 0, nullptr);
    call("umount2", SYS_umount2, EPERM, "/proc", 0);
    call("fsopen", SYS_fsopen, ENOSYS, "tmpfs", 0);
    call("open_tree", SYS_open_tree, ENOSYS, AT_FDCWD, path, 1);
    call("move_mount", SYS_move_mount, ENOSYS, -1, path, -1, path, 0);
    call("setns", SYS_setns, EPERM, 0, 0);
    call("reboot", SYS_reboot, EPERM, 0, 0, 0, nullptr);
    call("unshare user", SYS_unshare, EPERM, CLONE_NEWUSER);
    call("unshare mount", SYS_unshare, EPERM, CLONE_NEWNS);
    probe.refused(clone_new_user(), {EPERM}, "clone with a user namespace");
    // The kernel looks at the low half of the request only, so the filter must as well.
    for (unsigned long high : {0UL, 1UL << 32}) {
        call("TIOCSTI", SYS_ioctl, EPERM, 0, high | TIOCSTI, path);
        call("TIOCLINUX", SYS_ioctl, EPERM, 0, high | TIOCLINUX, path);
        call("LOOP_CLR_FD", SYS_ioctl, ENOTTY, 0, high | 0x4C01UL, 0);
    }
    probe.refused(::socket(AF_VSOCK, SOCK_STREAM, 0), {EAFNOSUPPORT}, "a socket to the hypervisor");
    probe.refused(::socket(AF_NETLINK, SOCK_RAW, 15), {EPROTONOSUPPORT},
                  "device events of the kernel");
}

#ifdef __x86_64__
// The i386 system call table through int 0x80, whose numbers are others.
inline long i386_call(long number, long first, long second = 0) {
    long result = 0;
    asm volatile("int $0x80"
                 : "=a"(result)
                 : "a"(number), "b"(first), "c"(second), "d"(0L)
                 : "memory", "r8", "r9", "r10", "r11");
    auto low = static_cast<int>(result);
    if (low < 0) {
        errno = -low;
        return -1;
    }
    return low;
}
inline void try_i386_calls(Probe& probe) {
    constexpr long i386_ioctl = 54, i386_keyctl = 288, i386_unshare = 310, i386_bpf = 357;
    probe.refused(i386_call(i386_keyctl, 0), {ENOSYS}, "keyctl of i386");
    probe.refused(i386_call(i386_bpf, 0), {EPERM, ENOSYS}, "bpf of i386");
    probe.refused(i386_call(i386_unshare, CLONE_NEWUSER), {EPERM, ENOSYS}, "unshare of i386");
    probe.refused(i386_call(i386_ioctl, 0, TIOCSTI), {EPERM, ENOSYS}, "TIOCSTI of i386");
}
#else
inline void try_i386_calls(Probe&) {}
#endif

inline void look_at_mounts(Probe& probe) {
    struct stat top {
    }, above{}, proc{};
    probe.expect(::stat("/", &top) == 0 && ::stat("/..", &above) == 0 &&
                     top.st_ino == above.st_ino && top.st_dev == above.st_dev,
                 "nothing lies above /");
    std::istringstream mounts(slurp("/proc/self/mountinfo"));
    for (std::string line; std::getline(mounts, line);)
        probe.expect(line.find(" shared:") == std::string::npos &&
                         line.find(" master:") == std::string::npos,
                     "mounts are private");
    struct statvfs info {};
    for (const auto* path : {"/", "/proc", "/sys", "/run", "/run/udev", "/proc/sys"})
        probe.expect(::statvfs(path, &info) == 0 && (info.f_flag & ST_NODEV) != 0,
                     std::string(path) + " is nodev");
    for (const auto* path : {"/sys", "/proc/sys", "/run/udev"})
        probe.expect(::statvfs(path, &info) == 0 && (info.f_flag & ST_RDONLY) != 0,
                     std::string(path) + " is read-only");
    ::stat("/proc", &proc);
    for (const auto* name :
         {"acpi",          "bus",        "cmdline",       "diskstats", "driver",    "fs",
          "interrupts",    "irq",        "kallsyms",      "kcore",     "key-users", "keys",
          "kmsg",          "kpagecount", "latency_stats", "mdstat",    "modules",   "mtrr",
          "partitions",    "pressure",   "sched_debug",   "scsi",      "slabinfo",  "swaps",
          "sysrq-trigger", "timer_list", "vmallocinfo"}) {
        struct stat entry {};
        auto path = fmt::format("/proc/{}", name);
        if (::stat(path.c_str(), &entry) == 0)
            probe.expect(entry.st_dev != proc.st_dev && ::access(path.c_str(), W_OK) != 0,
                         path + " is covered");
    }
    probe.refused(::open("/proc/sys/kernel/core_pattern", O_WRONLY), {EROFS}, "core_pattern");
    probe.refused(::open("/proc/sys/vm/drop_caches", O_WRONLY), {EROFS}, "a sysctl");
    probe.refused(::open("/proc/sysrq-trigger", O_WRONLY), {EROFS, ENOENT}, "sysrq-trigger");
}

inline std::set<std::string> names_in(const char* directory) {
    std::set<std::string> names;
    std::error_code ignored;
    for (const auto& entry : std::filesystem::directory_iterator(directory, ignored))
        names.insert(entry.path().filename().string());
    return names;
}

inline void look_at_devices(Probe& probe, const std::set<std::string>& disks) {
    auto is_ours = [&](const std::string& name) {
        return disks.contains(name.substr(0, name.find_first_of("0123456789")));
    };
    probe.expect(names_in("/sys/block") == disks, "/sys/block shows the guest's disks");
    for (const auto* directory : {"/sys/class/block", "/dev/disk/by-uuid"})
        for (const auto& name : names_in(directory))
            probe.expect(is_ours(name) || directory[1] == 'd',
                         fmt::format("{}/{} is the guest's", directory, name));
    std::istringstream partitions(slurp("/proc/partitions"));
    std::string line;
    std::getline(partitions, line);
    for (std::string word, name; std::getline(partitions, line);) {
        std::istringstream words(line);
        while (words >> word)
            name = word;
        probe.expect(name.empty() || is_ours(name), "/proc/partitions shows " + name);
    }
    static const std::set<std::string> nodes{"full", "null", "random", "tty", "urandom", "zero"};
    for (const auto& name : names_in("/dev")) {
        struct stat info {};
        if (::lstat(("/dev/" + name).c_str(), &info) == 0 &&
            (S_ISBLK(info.st_mode) || S_ISCHR(info.st_mode)))
            probe.expect(S_ISBLK(info.st_mode) ? is_ours(name) : nodes.contains(name),
                         "node /dev/" + name);
    }
    probe.refused(::open("/dev/tty", O_RDWR), {ENXIO}, "a terminal of the caller");
}

// A block device that is not the guest's: loop devices have numbers up to 2^20.
inline void try_device_nodes(Probe& probe) {
    auto foreign = makedev(7, 0xFFFFE);
    for (const auto* path : {"/dev/foreign", "/run/foreign", "/tmp/foreign"}) {
        probe.refused(::mknod(path, S_IFBLK | 0600, foreign), {EPERM},
                      fmt::format("a foreign block node {}", path));
        ::unlink(path);
        // dracut makes such nodes; nobody can open them.
        probe.expect(::mknod(path, S_IFCHR | 0600, makedev(1, 1)) == 0,
                     fmt::format("a char node {}", path));
        probe.refused(::open(path, O_RDONLY), {EPERM, EACCES},
                      fmt::format("opening {} (/dev/mem)", path));
        ::unlink(path);
    }
}

inline void look_at_network(Probe& probe, const std::string& hostname) {
    char name[256]{};
    ::gethostname(name, sizeof name - 1);
    probe.expect(hostname == name, "host name is the guest's");
    auto* interfaces = if_nameindex();
    for (auto* one = interfaces; one != nullptr && one->if_index != 0; ++one)
        probe.expect(std::string_view(one->if_name) == "lo",
                     std::string("interface ") + one->if_name);
    if_freenameindex(interfaces);
    struct ifreq request {};
    std::strcpy(request.ifr_name, "lo");
    int socket = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    probe.expect(::ioctl(socket, SIOCGIFFLAGS, &request) == 0 && (request.ifr_flags & IFF_UP) != 0,
                 "loopback is up");
    ::close(socket);
    for (const auto* kind : {"shm", "sem", "msg"}) {
        auto text = slurp(fmt::format("/proc/sysvipc/{}", kind));
        probe.expect(std::count(text.begin(), text.end(), '\n') <= 1, "own IPC namespace");
    }
    probe.expect(names_in("/run") == std::set<std::string>{"lock", "udev"}, "/run is empty");
}

/// What is wrong, a line each.
inline std::vector<std::string> look(const std::string& hostname,
                                     const std::set<std::string>& disks) {
    Probe probe;
    look_at_processes(probe);
    look_at_privileges(probe);
    look_at_mounts(probe);
    look_at_devices(probe, disks);
    look_at_network(probe, hostname);
    try_system_calls(probe);
    try_i386_calls(probe);
    try_device_nodes(probe);
    return probe.problems;
}

/// The main function of a program that was copied into a guest.
inline int run(const std::vector<std::string>& arguments) {
    std::set<std::string> disks(arguments.begin() + 1, arguments.end());
    auto problems = look(arguments[0], disks);
    for (const auto& problem : problems)
        fmt::print("PROBLEM {}\n", problem);
    fmt::print("{} problems\n", problems.size());
    return problems.empty() ? 0 : 1;
}

} // namespace slipway::enter_probe
