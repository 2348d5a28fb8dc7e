// SPDX-License-Identifier: Apache-2.0
#include "sys/process.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>

#include <linux/close_range.h>
#include <linux/sched.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/excerpt.hpp"
#include "base/strings.hpp"
#include "sys/confine.hpp"
#include "sys/memory_limit.hpp"

namespace slipway::sys {
namespace {

constexpr std::array search_path{"/usr/sbin", "/usr/bin",        "/sbin",
                                 "/bin",      "/usr/local/sbin", "/usr/local/bin"};
constexpr auto clean_path = "PATH=/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/sbin:/usr/local/bin";
// Inherited descriptors are first moved above this, so that the wanted numbers cannot collide.
constexpr int staging_base = 500;
constexpr std::size_t max_mapped_fds = 64;

// All that the child needs, made ready before the fork; it allocates nothing.
struct ChildPlan {
    const char* program = nullptr;
    std::vector<char*> argv;
    std::vector<char*> env;
    const char* cwd = "/";
    std::array<int, max_mapped_fds> from{};
    std::array<int, max_mapped_fds> to{};
    std::size_t fd_count = 0;
    int error_pipe = -1;
    bool die_with_parent = true;
    bool new_session = false;
    bool terminal = false;
    pid_t parent = 0;
    bool new_pid_namespace = false;
    const PreparedConfinement* confinement = nullptr;
    int ruleset = -1; ///< of it
};

[[noreturn]] void report_and_exit(const ChildPlan& plan, int error) {
    [[maybe_unused]] auto written = ::write(plan.error_pipe, &error, sizeof error);
    ::_exit(127);
}

void place_descriptors(ChildPlan& plan) {
    int high = ::fcntl(plan.error_pipe, F_DUPFD_CLOEXEC, staging_base);
    if (high < 0)
        ::_exit(127);
    plan.error_pipe = high;
    for (std::size_t i = 0; i < plan.fd_count; ++i)
        if ((plan.from[i] = ::fcntl(plan.from[i], F_DUPFD_CLOEXEC, staging_base)) < 0)
            report_and_exit(plan, errno);
    if (plan.ruleset >= 0 &&
        (plan.ruleset = ::fcntl(plan.ruleset, F_DUPFD_CLOEXEC, staging_base)) < 0)
        report_and_exit(plan, errno);
    int null = ::open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null < 0)
        report_and_exit(plan, errno);
    int staged_null = ::fcntl(null, F_DUPFD_CLOEXEC, staging_base);
    for (int standard = 0; standard <= 2; ++standard)
        if (::dup2(staged_null, standard) < 0)
            report_and_exit(plan, errno);
    for (std::size_t i = 0; i < plan.fd_count; ++i)
        if (::dup2(plan.from[i], plan.to[i]) < 0)
            report_and_exit(plan, errno);
    // Everything that was not asked for is closed on exec; a listed number keeps its dup2'd state.
    ::syscall(SYS_close_range, 3, ~0U, CLOSE_RANGE_CLOEXEC);
    for (std::size_t i = 0; i < plan.fd_count; ++i)
        ::fcntl(plan.to[i], F_SETFD, 0);
}

void reset_signals() {
    struct sigaction standard {};
    standard.sa_handler = SIG_DFL;
    for (int number = 1; number < NSIG; ++number)
        ::sigaction(number, &standard, nullptr);
    sigset_t none;
    ::sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
}

int child_body(void* argument) {
    auto& plan = *static_cast<ChildPlan*>(argument);
    if (plan.die_with_parent) {
        ::prctl(PR_SET_PDEATHSIG, SIGKILL);
        // The parent may have died before the line above; in a new PID namespace it is always 0.
        if (!plan.new_pid_namespace && ::getppid() != plan.parent)
            ::_exit(127);
    }
    reset_signals();
    if (plan.new_session)
        ::setsid();
    else
        ::setpgid(0, 0);
    ::umask(022);
    place_descriptors(plan);
    if (plan.terminal)
        ::ioctl(0, TIOCSCTTY, 0);
    if (::chdir(plan.cwd) != 0)
        report_and_exit(plan, errno);
    if (plan.confinement != nullptr) {
        if (int error = plan.confinement->enter(plan.ruleset); error != 0)
            report_and_exit(plan, error);
        // A change of credentials clears it.
        if (plan.die_with_parent)
            ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    }
    ::execve(plan.program, plan.argv.data(), plan.env.data());
    report_and_exit(plan, errno);
}

class LocalChild final : public Child {
public:
    explicit LocalChild(ClonedChild child) : child_(std::move(child)) {}
    ~LocalChild() override {
        if (status_)
            return;
        signal(SIGKILL);
        [[maybe_unused]] auto status = wait(std::chrono::seconds(10));
    }
    [[nodiscard]] pid_t pid() const override { return child_.pid; }
    [[nodiscard]] BorrowedFd exit_fd() const override { return child_.pidfd; }
    void signal(int number, bool group) override {
        if (status_)
            return;
        // Not yet reaped, so neither the pid nor the group's number can have been reused.
        ::syscall(SYS_pidfd_send_signal, child_.pidfd.raw(), number, nullptr, 0);
        if (group)
            ::kill(-child_.pid, number);
    }
    [[nodiscard]] Result<std::optional<int>> wait(std::chrono::milliseconds limit) override {
        if (status_)
            return status_;
        SLIPWAY_TRY(auto status, reap(child_.pidfd, limit));
        status_ = status;
        return status;
    }

private:
    void signal(int number) { signal(number, true); }
    ClonedChild child_;
    std::optional<int> status_;
};

void keep_tail(std::string& text, std::size_t limit) {
    if (text.size() > limit + limit / 4)
        text.erase(0, text.size() - limit);
}

// Moves what is readable into `text`; false at end of file.
bool drain(BorrowedFd fd, std::string& text, std::size_t limit,
           const std::function<void(std::string_view)>& on_piece) {
    std::array<char, 16384> buffer{};
    auto got = ::read(fd.raw(), buffer.data(), buffer.size());
    if (got < 0)
        return errno == EINTR || errno == EAGAIN;
    if (got == 0)
        return false;
    std::string_view piece(buffer.data(), static_cast<std::size_t>(got));
    if (on_piece)
        on_piece(piece);
    text += piece;
    keep_tail(text, limit);
    return true;
}

std::vector<char*> pointers_to(std::vector<std::string>& strings) {
    std::vector<char*> pointers;
    pointers.reserve(strings.size() + 1);
    for (auto& text : strings)
        pointers.push_back(text.data());
    pointers.push_back(nullptr);
    return pointers;
}

// Of equal ones most programs see the first: what is given replaces the usual ones.
std::vector<std::string> environment_of(const ProcessSpec& spec) {
    auto env = spec.env;
    for (const std::string usual : {clean_path, "LC_ALL=C.UTF-8"}) {
        auto name = usual.substr(0, usual.find('=') + 1);
        if (std::none_of(env.begin(), env.end(),
                         [&name](const auto& given) { return given.starts_with(name); }))
            env.push_back(usual);
    }
    return env;
}

} // namespace

Result<std::string> find_program(const std::string& name) {
    if (name.find('/') != std::string::npos)
        return name;
    for (const auto* folder : search_path) {
        auto path = fmt::format("{}/{}", folder, name);
        if (::access(path.c_str(), X_OK) == 0)
            return path;
    }
    return fail(Code::NotFound, fmt::format("the program {} is not installed", name));
}

namespace {

struct Body {
    int (*function)(void*);
    void* argument;
};
// Allocates nothing.
int run_without_limit(void* given) {
    const auto* body = static_cast<const Body*>(given);
    lift_memory_limit();
    return body->function(body->argument);
}

} // namespace

Result<ClonedChild> clone_child(const CloneArgs& args, int (*body)(void*), void* argument) {
    int pidfd = -1;
    clone_args raw{};
    raw.flags = args.flags | CLONE_PIDFD;
    raw.pidfd = reinterpret_cast<std::uintptr_t>(&pidfd);
    raw.exit_signal = SIGCHLD;
    if (args.cgroup_fd >= 0) {
        raw.flags |= CLONE_INTO_CGROUP;
        raw.cgroup = static_cast<std::uint64_t>(args.cgroup_fd);
    }
    auto pid = ::syscall(SYS_clone3, &raw, sizeof raw);
    if (pid == 0) {
        Body called{body, argument};
        ::_exit(run_without_limit(&called));
    }
    if (pid < 0)
        return fail_errno("starting a process");
    return ClonedChild{static_cast<pid_t>(pid), OwnedFd(pidfd)};
}

pid_t clone_until_exec(int (*body)(void*), void* argument, std::span<std::byte> stack) {
    // The C library's clone, not the bare system call: a child that shares memory needs a stack of
    // its own.
    Body called{body, argument};
    auto pid = ::clone(run_without_limit, stack.data() + stack.size(),
                       CLONE_VM | CLONE_VFORK | SIGCHLD, &called);
    return pid < 0 ? -errno : pid;
}

Result<std::optional<int>> reap(BorrowedFd pidfd, std::chrono::milliseconds limit) {
    pollfd poller{.fd = pidfd.raw(), .events = POLLIN, .revents = 0};
    auto until = Clock::now() + limit;
    while (true) {
        auto left = std::chrono::duration_cast<std::chrono::milliseconds>(until - Clock::now());
        auto ready =
            ::poll(&poller, 1, static_cast<int>(std::clamp<long long>(left.count(), 0, 1 << 30)));
        if (ready > 0)
            break;
        if (ready < 0 && errno != EINTR)
            return fail_errno("waiting for a process");
        if (Clock::now() >= until)
            return std::optional<int>{};
    }
    siginfo_t info{};
    if (::waitid(P_PIDFD, static_cast<id_t>(pidfd.raw()), &info, WEXITED) != 0)
        return fail_errno("reaping a process");
    return std::optional<int>(info.si_code == CLD_EXITED ? info.si_status : 128 + info.si_status);
}

Result<std::unique_ptr<Child>> LocalRunner::start(const ProcessSpec& spec) {
    if (spec.argv.empty() || spec.fds.size() > max_mapped_fds)
        return fail(Code::Internal, "a process needs an argv and at most 64 descriptors");
    SLIPWAY_TRY(auto program, find_program(spec.argv[0]));
    SLIPWAY_TRY(auto pipe, make_pipe());
    auto& [error_read, error_write] = pipe;
    std::optional<PreparedConfinement> confinement;
    if (spec.confinement) {
        SLIPWAY_TRY(confinement, PreparedConfinement::prepare(*spec.confinement, spec.fds));
    }
    auto argv = spec.argv;
    auto env = environment_of(spec);

    ChildPlan plan{.program = program.c_str(),
                   .argv = pointers_to(argv),
                   .env = pointers_to(env),
                   .cwd = spec.cwd.c_str(),
                   .fd_count = spec.fds.size(),
                   .error_pipe = error_write.raw(),
                   .die_with_parent = spec.die_with_parent,
                   .new_session = spec.new_session,
                   .terminal = spec.terminal,
                   .parent = ::getpid(),
                   .new_pid_namespace = (spec.clone_flags & CLONE_NEWPID) != 0,
                   .confinement = confinement ? &*confinement : nullptr,
                   .ruleset = confinement ? confinement->ruleset().raw() : -1};
    for (std::size_t i = 0; i < spec.fds.size(); ++i) {
        plan.from[i] = spec.fds[i].parent.raw();
        plan.to[i] = spec.fds[i].child;
    }
    SLIPWAY_TRY(auto cloned, clone_child({.flags = spec.clone_flags}, child_body, &plan));
    if (!spec.new_session)                 // a group's leader could not make one any more
        ::setpgid(cloned.pid, cloned.pid); // both sides do it: a kill of the group may come early
    error_write.reset();
    auto child = std::make_unique<LocalChild>(std::move(cloned));
    int error = 0;
    if (::read(error_read.raw(), &error, sizeof error) == sizeof error)
        return fail_errno(fmt::format("starting {}", program), error);
    return std::unique_ptr<Child>(std::move(child));
}

Result<Captured> run(Runner& runner, ProcessSpec spec, const RunLimits& limits) {
    SLIPWAY_TRY(auto out_pipe, make_pipe());
    SLIPWAY_TRY(auto err_pipe, make_pipe());
    spec.fds.push_back({out_pipe.second, 1});
    spec.fds.push_back({err_pipe.second, 2});
    OwnedFd input;
    if (!limits.input.empty()) {
        SLIPWAY_TRY(input, make_memfd("input", limits.input));
        ::lseek(input.raw(), 0, SEEK_SET);
        spec.fds.push_back({input, 0});
    }
    auto start = Clock::now();
    SLIPWAY_TRY(auto child, runner.start(spec));
    out_pipe.second.reset();
    err_pipe.second.reset();

    Captured captured;
    std::array<pollfd, 3> polls{{{child->exit_fd().raw(), POLLIN, 0},
                                 {out_pipe.first.raw(), POLLIN, 0},
                                 {err_pipe.first.raw(), POLLIN, 0}}};
    auto stop = [&](Error error) -> Result<Captured> {
        child->signal(SIGKILL);
        [[maybe_unused]] auto status = child->wait(std::chrono::seconds(5));
        error.tool =
            ToolFailure{spec.argv, -1,
                        captured.err.substr(captured.err.size() -
                                            std::min<std::size_t>(captured.err.size(), 2000))};
        return fail(std::move(error));
    };
    while (polls[0].fd >= 0 || polls[1].fd >= 0 || polls[2].fd >= 0) {
        if (limits.cancel.requested())
            return stop({.code = Code::Cancelled,
                         .what = fmt::format("{} was stopped on request", spec.argv[0])});
        if (Clock::now() - start > limits.deadline)
            return stop(
                {.code = Code::Timeout,
                 .what = fmt::format(
                     "{} did not end within {}", spec.argv[0],
                     format_seconds(std::chrono::duration<double>(limits.deadline).count()))});
        if (::poll(polls.data(), polls.size(), 100) < 0 && errno != EINTR)
            return stop(os_error("waiting for a process"));
        if (polls[1].revents != 0 &&
            !drain(out_pipe.first, captured.out, limits.max_output, limits.on_stdout))
            polls[1].fd = -1;
        if (polls[2].revents != 0 && !drain(err_pipe.first, captured.err, limits.max_output, {}))
            polls[2].fd = -1;
        // A daemon that it left behind may hold the pipes; once the program has ended and they are
        // empty, we are done.
        if (polls[0].revents != 0) {
            polls[0].fd = -1;
            if (!limits.leaves_daemon)
                child->signal(SIGKILL);
        }
        for (auto& poller : polls)
            poller.revents = 0;
    }
    SLIPWAY_TRY(auto status, child->wait(std::chrono::seconds(5)));
    captured.status = status.value_or(-1);
    captured.seconds = seconds_since(start);
    return captured;
}

Status check_tool(const ProcessSpec& spec, const Captured& captured, std::string what) {
    if (captured.status == 0)
        return {};
    Error error{.code = Code::ToolFailed, .what = std::move(what)};
    constexpr std::size_t most = 2000;
    error.tool =
        ToolFailure{spec.argv, captured.status, printable(excerpt(trim(captured.err), most))};
    return fail(std::move(error));
}

} // namespace slipway::sys
