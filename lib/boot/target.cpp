// SPDX-License-Identifier: Apache-2.0
#include "boot/target.hpp"

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
#include "boot/machine.hpp"
#include "boot/system_mounts.hpp"
#include "sys/mount.hpp"

namespace slipway::boot {
namespace {

namespace fs = std::filesystem;
constexpr auto cgroups = "/sys/fs/cgroup";

Status enter(const TargetSpec& spec) {
    SLIPWAY_CHECK(prepare_root(spec));
    let_be_killed();
    if (::chdir(spec.root.c_str()) != 0 || ::syscall(SYS_pivot_root, ".", ".") != 0 ||
        ::umount2(".", MNT_DETACH) != 0 || ::chdir("/") != 0)
        return fail_errno("changing to the image's root");
    return {};
}

[[noreturn]] void become(const TargetSpec& spec, sys::BorrowedFd errors) {
    ::setsid();
    auto entered = enter(spec);
    auto error = entered ? start_init(spec) : std::move(entered.error());
    std::ignore = sys::write_all(errors, render_line(error));
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

class Contained final : public RunningSystem {
public:
    Contained(pid_t pid, sys::OwnedFd fd) : pid_(pid), fd_(std::move(fd)) {}
    ~Contained() override {
        if (pid_ <= 0)
            return;
        std::ignore = kill();
        ::waitpid(pid_, nullptr, 0);
    }
    [[nodiscard]] sys::BorrowedFd fd() const override { return fd_; }
    [[nodiscard]] pid_t pid() const override { return pid_; }
    void ask_to_end() override { ::kill(pid_, SIGRTMIN + 3); }
    bool kill() override { return ::kill(pid_, SIGKILL) == 0; }
    std::optional<TargetEnd> poll_end() override {
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

private:
    pid_t pid_;
    sys::OwnedFd fd_;
};

} // namespace

Result<std::unique_ptr<RunningSystem>> start_contained(const TargetSpec& spec) {
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
    auto target = std::make_unique<Contained>(static_cast<pid_t>(pid), sys::OwnedFd(pidfd));
    SLIPWAY_TRY(auto said, sys::read_all(pipe.first, 4096));
    if (!said.empty())
        return fail(Code::Unsupported,
                    fmt::format("the image's system did not start: {}", printable(said)));
    return target;
}

Status leave_root_cgroup() {
    SLIPWAY_TRY(auto mounted, sys::mounts_below(cgroups));
    if (mounted.empty())
        SLIPWAY_CHECK(sys::mount(
            {.source = "cgroup2", .target = cgroups, .type = "cgroup2", .flags = plain_mount}));
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
