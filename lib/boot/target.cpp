// SPDX-License-Identifier: Apache-2.0
#include "boot/target.hpp"

#include <array>
#include <csignal>
#include <cstring>
#include <functional>
#include <tuple>

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <linux/sched.h>
#include <poll.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/strings.hpp"
#include "boot/machine.hpp"
#include "boot/system_mounts.hpp"
#include "sys/mount.hpp"
#include "sys/tree_walk.hpp"

namespace slipway::boot {
namespace {

constexpr auto cgroups = "/sys/fs/cgroup";
constexpr int longest_start_ms = 2000;
constexpr std::size_t longest_complaint = 4096; // bytes

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

class Contained final : public RunningSystem {
public:
    Contained(pid_t pid, sys::OwnedFd fd, sys::OwnedFd errors)
        : pid_(pid), fd_(std::move(fd)), errors_(std::move(errors)) {}
    ~Contained() override {
        if (pid_ <= 0)
            return;
        std::ignore = kill();
        ::waitpid(pid_, nullptr, 0);
    }
    [[nodiscard]] sys::BorrowedFd fd() const override { return fd_; }
    [[nodiscard]] pid_t pid() const override { return pid_; }
    void ask_to_end() override { ::kill(pid_, SIGRTMIN + 3); }
    bool kill() override {
        // It ends the others, which may be before it in everything that a priority can choose.
        go_before_all(pid_);
        return ::kill(pid_, SIGKILL) == 0;
    }
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
    std::string complaint() override {
        auto said = sys::read_all(errors_, longest_complaint);
        return said ? printable(*said) : "";
    }
    /// Waits so long for its init to start. False: it did not.
    [[nodiscard]] bool has_started() const {
        pollfd poll{errors_.raw(), POLLIN, 0};
        // Its end closes with the start of another program.
        return ::poll(&poll, 1, longest_start_ms) <= 0 || (poll.revents & POLLIN) == 0;
    }

private:
    pid_t pid_;
    sys::OwnedFd fd_;
    sys::OwnedFd errors_; ///< of what happens before its init starts
};

// Returns where it does not come to be the new process.
Result<pid_t> make_process(sys::BorrowedFd group, const std::function<void()>& run) {
    SLIPWAY_TRY(auto pipe, sys::make_pipe());
    // Through a process with one thread: what another thread of this one has locked just now, such
    // as malloc's memory, stays so for ever in a child that the C library does not make.
    auto between = ::fork();
    if (between < 0)
        return fail_errno("starting the image's system");
    if (between == 0) {
        clone_args arguments{};
        arguments.flags = CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_PARENT |
                          CLONE_INTO_CGROUP; // an init expects to be at the groups' root
        arguments.cgroup = static_cast<std::uint64_t>(group.raw());
        auto made = ::syscall(SYS_clone3, &arguments, sizeof arguments);
        if (made == 0)
            run();
        std::array<long, 2> said{made, errno};
        std::ignore =
            sys::write_all(pipe.second, {reinterpret_cast<const char*>(said.data()), sizeof said});
        ::_exit(0);
    }
    pipe.second.reset();
    std::array<long, 2> said{-1, EIO};
    auto got = sys::read_all(pipe.first, sizeof said);
    if (got && got->size() == sizeof said)
        std::memcpy(said.data(), got->data(), sizeof said);
    ::waitpid(between, nullptr, 0);
    if (said[0] < 0)
        return fail_errno("starting the image's system", static_cast<int>(said[1]));
    return static_cast<pid_t>(said[0]);
}

} // namespace

Result<std::unique_ptr<RunningSystem>> start_contained(const TargetSpec& spec) {
    SLIPWAY_CHECK(leave_root_cgroup());
    SLIPWAY_TRY(auto pipe, sys::make_pipe());
    SLIPWAY_TRY(auto group, sys::open_file(cgroups, O_RDONLY | O_DIRECTORY));
    SLIPWAY_TRY(auto pid, make_process(group, [&] { become(spec, pipe.second); }));
    pipe.second.reset();
    sys::OwnedFd process(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
    auto target = std::make_unique<Contained>(pid, std::move(process), std::move(pipe.first));
    if (!target->has_started())
        return fail(Code::Unsupported,
                    fmt::format("the image's system did not start: {}", target->complaint()));
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
    auto top = sys::open_file(cgroups, O_RDONLY | O_DIRECTORY);
    if (!top)
        return 0;
    auto enter = [](const sys::WalkEntry& entry) -> Result<bool> {
        return entry.type == DT_DIR && entry.path != basename_of(own_cgroup);
    };
    auto leave = [&](const sys::WalkEntry& entry) -> Status {
        if (auto kill = sys::open_at(entry.directory, entry.name + "/cgroup.kill", O_WRONLY))
            std::ignore = sys::write_all(*kill, "1");
        count += ::unlinkat(entry.directory.raw(), entry.name.c_str(), AT_REMOVEDIR) == 0 ? 1 : 0;
        return {};
    };
    std::ignore = sys::walk_tree(*top, {.enter = enter, .leave = leave});
    return count;
}

} // namespace slipway::boot
