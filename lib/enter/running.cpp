// SPDX-License-Identifier: Apache-2.0
#include <csignal>
#include <cstring>

#include <poll.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/strings.hpp"
#include "enter/running_state.hpp"

namespace slipway::enter {
namespace {

constexpr int status_not_found = 127;
constexpr int status_not_executable = 126;
constexpr auto kill_limit =
    std::chrono::seconds(10); // a process in uninterruptible sleep may hold it up

double seconds_between(std::int64_t from, std::int64_t to) {
    return static_cast<double>(to - from) / 1e9;
}

int status_of(int wait_status) {
    return WIFEXITED(wait_status) ? WEXITSTATUS(wait_status) : 128 + WTERMSIG(wait_status);
}

} // namespace

std::int64_t monotonic_now() {
    return std::chrono::duration_cast<std::chrono::nanoseconds>(Clock::now().time_since_epoch())
        .count();
}

Running::Running(std::unique_ptr<State> state) : state_(std::move(state)) {}
Running::Running(Running&&) noexcept = default;
Running& Running::operator=(Running&& other) noexcept {
    std::swap(state_, other.state_);
    return *this;
}
Running::~Running() = default;

Running::State::~State() {
    if (finished || !child.pidfd.valid())
        return;
    ::syscall(SYS_pidfd_send_signal, child.pidfd.raw(), SIGKILL, nullptr, 0);
    if (auto ended = sys::reap(child.pidfd, kill_limit); !ended || !*ended)
        log.warning("{} does not end, though it was killed", name);
}

pid_t Running::pid() const {
    return state_->child.pid;
}
sys::BorrowedFd Running::exit_fd() const {
    return state_->child.pidfd;
}
sys::BorrowedFd Running::terminal() const {
    return state_->terminal;
}

Status Running::set_window_size(const struct winsize& window) const {
    if (::ioctl(state_->terminal.raw(), TIOCSWINSZ, &window) != 0)
        return fail_errno("setting the size of the terminal");
    return {};
}

void Running::signal(int number) const {
    if (state_->finished)
        return;
    auto pidfd = state_->child.pidfd.raw();
    if (number == SIGKILL) {
        ::syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, nullptr, 0);
        return;
    }
    siginfo_t info{};
    info.si_signo = forward_signal();
    info.si_code = SI_QUEUE;
    info.si_value.sival_int = number;
    ::syscall(SYS_pidfd_send_signal, pidfd, info.si_signo, &info, 0);
}

// The init is gone, so what it had to say is in the socket.
Finished Running::State::conclude(int init_status) const {
    Finished result;
    auto end = monotonic_now();
    auto ended = exec_errno != 0 ? std::optional<InitReport>{} : receive_report(control, nullptr);
    if (exec_errno != 0) {
        result.exec_errno = exec_errno;
        result.status = exec_errno == ENOENT || exec_errno == ENOTDIR ? status_not_found
                                                                      : status_not_executable;
    } else if (ended && ended->kind == InitReport::Kind::Ended) {
        result.status = status_of(ended->wait_status);
        result.timed_out = ended->timed_out;
    } else {
        result.status = init_status; // somebody killed the init, and everything with it
    }
    auto command_end = ended ? ended->at : end;
    result.timings = {.mount = seconds_between(started, executed),
                      .run = seconds_between(executed, command_end),
                      .unmount = seconds_between(command_end, end)};
    return result;
}

void Running::State::log_end() const {
    const auto& timings = finished->timings;
    log.debug("{}: status {}; mount {:.2f} ms, run {:.2f} ms, unmount {:.2f} ms", name,
              finished->status, timings.mount * 1e3, timings.run * 1e3, timings.unmount * 1e3);
    if (finished->status == 0 || quiet)
        return;
    if (finished->exec_errno != 0)
        log.warning("{}: cannot be executed: {}", name, std::strerror(finished->exec_errno));
    else
        log.warning("{}: status {}{}", name, finished->status,
                    finished->timed_out ? ", at its deadline" : "");
}

Result<std::optional<Finished>> Running::wait(std::chrono::milliseconds limit) {
    if (state_->finished)
        return state_->finished;
    SLIPWAY_TRY(auto status, sys::reap(state_->child.pidfd, limit));
    if (!status)
        return std::optional<Finished>{};
    state_->finished = state_->conclude(*status);
    state_->log_end();
    return state_->finished;
}

Result<Finished> Running::wait() {
    while (true) {
        SLIPWAY_TRY(auto finished, wait(std::chrono::hours(1)));
        if (finished)
            return *finished;
    }
}

std::optional<InitReport> receive_report(sys::BorrowedFd control, sys::OwnedFd* passed) {
    InitReport report;
    iovec data{.iov_base = &report, .iov_len = sizeof report};
    alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> buffer{};
    msghdr message{};
    message.msg_iov = &data;
    message.msg_iovlen = 1;
    message.msg_control = buffer.data();
    message.msg_controllen = buffer.size();
    ssize_t got = 0;
    do
        got = ::recvmsg(control.raw(), &message, MSG_CMSG_CLOEXEC);
    while (got < 0 && errno == EINTR);
    auto* header = CMSG_FIRSTHDR(&message);
    if (header != nullptr && header->cmsg_type == SCM_RIGHTS) {
        int fd = -1;
        std::memcpy(&fd, CMSG_DATA(header), sizeof fd);
        sys::OwnedFd owned(fd);
        if (passed != nullptr)
            *passed = std::move(owned);
    }
    if (got != sizeof report)
        return std::nullopt;
    return report;
}

} // namespace slipway::enter
