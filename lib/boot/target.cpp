// SPDX-License-Identifier: Apache-2.0
#include "boot/target.hpp"

#include <array>
#include <csignal>
#include <filesystem>

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/strings.hpp"
#include "sys/mount.hpp"

namespace slipway::boot {
namespace {

namespace fs = std::filesystem;
constexpr auto cgroups = "/sys/fs/cgroup";
constexpr auto own_cgroup = "/sys/fs/cgroup/slipway-bootstrap";
constexpr unsigned long plain = MS_NOSUID | MS_NODEV | MS_NOEXEC;

struct TargetMount {
    const char* type;
    const char* path;
    unsigned long flags;
    const char* options;
};
// What an init expects to find; it mounts the rest itself.
constexpr std::array target_mounts{
    TargetMount{"proc", "/proc", plain, ""},
    TargetMount{"sysfs", "/sys", plain, ""},
    TargetMount{"cgroup2", "/sys/fs/cgroup", plain, "nsdelegate"},
    TargetMount{"devtmpfs", "/dev", MS_NOSUID, "mode=0755"},
    TargetMount{"devpts", "/dev/pts", MS_NOSUID | MS_NOEXEC, "mode=0620,gid=5,ptmxmode=0666"},
    TargetMount{"tmpfs", "/dev/shm", MS_NOSUID | MS_NODEV, "mode=1777"},
    TargetMount{"tmpfs", "/run", MS_NOSUID | MS_NODEV, "mode=0755"},
};

// A file to mount on.
Status touch(const std::string& path) {
    sys::OwnedFd made(
        ::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0600));
    struct stat info {};
    if (!made.valid() && ::stat(path.c_str(), &info) != 0)
        return fail_errno(fmt::format("making {}", path));
    return {};
}

// The image's own directories are kept; a link in their place is not followed.
Status make_mount_point(const std::string& path) {
    struct stat info {};
    if (::lstat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode))
        return {};
    if (::mkdir(path.c_str(), 0755) != 0)
        return fail_errno(fmt::format("making {}", path));
    return {};
}

Status mount_all(const TargetSpec& spec) {
    // A change of the target's does not come back.
    if (::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0)
        return fail_errno("making the mounts private");
    SLIPWAY_CHECK(sys::bind_mount(spec.root, spec.root));
    for (const auto& [type, path, flags, options] : target_mounts) {
        SLIPWAY_CHECK(make_mount_point(spec.root + path));
        SLIPWAY_CHECK(sys::mount({.source = type,
                                  .target = spec.root + path,
                                  .type = type,
                                  .flags = flags,
                                  .options = options}));
    }
    for (const auto& console : spec.consoles) {
        if (console.terminal.empty())
            continue;
        SLIPWAY_CHECK(touch(spec.root + "/dev/" + console.name));
        SLIPWAY_CHECK(sys::bind_mount(console.terminal, spec.root + "/dev/" + console.name));
    }
    // The kernel's last console= is /dev/console.
    if (!spec.consoles.empty()) {
        const auto& last = spec.consoles.back();
        SLIPWAY_CHECK(sys::bind_mount(last.terminal.empty() ? "/dev/" + last.name : last.terminal,
                                      spec.root + "/dev/console"));
    }
    if (!spec.helpers.empty()) {
        SLIPWAY_CHECK(make_mount_point(spec.root + "/run/slipway"));
        SLIPWAY_CHECK(sys::bind_mount(spec.helpers, spec.root + "/run/slipway"));
        SLIPWAY_CHECK(touch(spec.root + "/.bootstrap-return"));
        SLIPWAY_CHECK(
            sys::bind_mount(spec.helpers + "/bootstrap-return", spec.root + "/.bootstrap-return"));
    }
    return {};
}

Status enter(const TargetSpec& spec) {
    SLIPWAY_CHECK(mount_all(spec));
    if (::chdir(spec.root.c_str()) != 0 || ::syscall(SYS_pivot_root, ".", ".") != 0 ||
        ::umount2(".", MNT_DETACH) != 0 || ::chdir("/") != 0)
        return fail_errno("changing to the image's root");
    return {};
}

[[noreturn]] void become(const TargetSpec& spec, sys::BorrowedFd errors) {
    ::setsid();
    auto entered = enter(spec);
    if (entered) {
        sigset_t none{};
        ::sigemptyset(&none);
        ::sigprocmask(SIG_SETMASK, &none, nullptr);
        for (int number = 1; number < NSIG; ++number)
            ::signal(number, SIG_DFL);
        int console = ::open("/dev/console", O_RDWR | O_NOCTTY);
        for (int fd = 0; console >= 0 && fd < 3; ++fd)
            ::dup2(console, fd);
        ::syscall(SYS_close_range, 3U, ~0U, CLOSE_RANGE_CLOEXEC);
        // Set, but empty: systemd 257 sees the PID namespace, and takes itself for a container's
        // otherwise.
        std::array<const char*, 4> environment{"container=", "TERM=linux",
                                               "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:"
                                               "/usr/bin:/sbin:/bin",
                                               nullptr};
        std::array<const char*, 2> arguments{spec.init.c_str(), nullptr};
        ::execve(spec.init.c_str(), const_cast<char* const*>(arguments.data()),
                 const_cast<char* const*>(environment.data()));
        entered = fail_errno(fmt::format("starting {}", spec.init));
    }
    std::ignore = sys::write_all(errors, render_line(entered.error()));
    ::_exit(127);
}

void remove_cgroup(const fs::path& group, std::size_t& count) {
    std::error_code failed;
    for (const auto& entry : fs::directory_iterator(group, failed))
        if (entry.is_directory(failed) && !entry.is_symlink(failed))
            remove_cgroup(entry.path(), count);
    std::ignore = sys::write_file(group / "cgroup.kill", "1");
    if (::rmdir(group.c_str()) == 0)
        ++count;
}

} // namespace

Result<Target> Target::start(const TargetSpec& spec) {
    SLIPWAY_TRY(auto pipe, sys::make_pipe());
    int pidfd = -1;
    clone_args arguments{};
    arguments.flags = CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_PIDFD;
    arguments.pidfd = reinterpret_cast<std::uint64_t>(&pidfd);
    arguments.exit_signal = SIGCHLD;
    // It starts at the root of the control groups, where an init expects to be.
    SLIPWAY_TRY(auto group, sys::open_file(cgroups, O_RDONLY | O_DIRECTORY));
    arguments.flags |= CLONE_INTO_CGROUP;
    arguments.cgroup = static_cast<std::uint64_t>(group.raw());
    auto pid = ::syscall(SYS_clone3, &arguments, sizeof arguments);
    if (pid < 0)
        return fail_errno("starting the image's system");
    if (pid == 0) {
        pipe.first.reset();
        become(spec, pipe.second);
    }
    pipe.second.reset();
    Target target(static_cast<pid_t>(pid), sys::OwnedFd(pidfd));
    SLIPWAY_TRY(auto said, sys::read_all(pipe.first, 4096));
    if (!said.empty())
        return fail(Code::Unsupported,
                    fmt::format("the image's system did not start: {}", printable(said)));
    return target;
}

Target::Target(Target&& other) noexcept
    : pid_(std::exchange(other.pid_, -1)), fd_(std::move(other.fd_)) {}

Target::~Target() {
    if (pid_ <= 0)
        return;
    kill();
    ::waitpid(pid_, nullptr, 0);
}

void Target::ask_to_end() const {
    ::kill(pid_, SIGRTMIN + 3);
}

void Target::kill() const {
    ::kill(pid_, SIGKILL);
}

std::optional<TargetEnd> Target::poll_end() {
    int status = 0;
    if (pid_ <= 0 || ::waitpid(pid_, &status, WNOHANG) != pid_)
        return std::nullopt;
    pid_ = -1;
    // reboot(2) in a PID namespace is the end of its init by one of these.
    if (WIFSIGNALED(status))
        return WTERMSIG(status) == SIGINT   ? TargetEnd::PoweredOff
               : WTERMSIG(status) == SIGHUP ? TargetEnd::Restarted
                                            : TargetEnd::Killed;
    return TargetEnd::Failed;
}

Status leave_root_cgroup() {
    SLIPWAY_TRY(auto mounted, sys::mounts_below(cgroups));
    if (mounted.empty())
        SLIPWAY_CHECK(sys::mount(
            {.source = "cgroup2", .target = cgroups, .type = "cgroup2", .flags = plain}));
    if (::mkdir(own_cgroup, 0755) != 0 && errno != EEXIST)
        return fail_errno(fmt::format("making {}", own_cgroup));
    return sys::write_file(std::string(own_cgroup) + "/cgroup.procs", fmt::to_string(::getpid()));
}

std::size_t remove_other_cgroups() {
    std::size_t count = 0;
    std::error_code failed;
    for (const auto& entry : fs::directory_iterator(cgroups, failed))
        if (entry.is_directory(failed) && entry.path() != own_cgroup)
            remove_cgroup(entry.path(), count);
    return count;
}

} // namespace slipway::boot
