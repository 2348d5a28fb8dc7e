// SPDX-License-Identifier: Apache-2.0
#include "testbed/program.hpp"

#include <csignal>
#include <cstdlib>
#include <filesystem>

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fmt/format.h>

#include "base/strings.hpp"
#include "sys/process.hpp"
#include "work/pump.hpp"

namespace slipway::testbed {
namespace {

struct Terminal {
    sys::OwnedFd ours;
    sys::OwnedFd theirs;
};

Result<Terminal> open_terminal(const Json& arguments) {
    Terminal terminal;
    SLIPWAY_TRY(terminal.ours, sys::open_file("/dev/ptmx", O_RDWR | O_NOCTTY));
    int unlocked = 0;
    unsigned number = 0;
    if (::ioctl(terminal.ours.raw(), TIOCSPTLCK, &unlocked) != 0 ||
        ::ioctl(terminal.ours.raw(), TIOCGPTN, &number) != 0)
        return fail_errno("making a terminal");
    SLIPWAY_TRY(terminal.theirs,
                sys::open_file("/dev/pts/" + std::to_string(number), O_RDWR | O_NOCTTY));
    struct winsize size {};
    size.ws_row = json_get<unsigned short>(arguments, "rows");
    size.ws_col = json_get<unsigned short>(arguments, "columns");
    (void)::ioctl(terminal.theirs.raw(), TIOCSWINSZ, &size);
    return terminal;
}

// Of processes that have lost their parents; the command itself is waited for by its owner.
void reap_orphans(pid_t command) {
    while (true) {
        siginfo_t info{};
        if (::waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) != 0 || info.si_pid == 0 ||
            info.si_pid == command)
            return;
        (void)::waitpid(info.si_pid, nullptr, WNOHANG);
    }
}

class Program final : public work::RunningProgram {
public:
    Program(std::unique_ptr<sys::Child> child, sys::BorrowedFd terminal)
        : child_(std::move(child)), terminal_(terminal) {}

    [[nodiscard]] sys::BorrowedFd exit_fd() const override { return child_->exit_fd(); }
    void signal(int number) override { child_->signal(number, true); }
    void set_window_size(const struct winsize& size) override {
        (void)::ioctl(terminal_.raw(), TIOCSWINSZ, &size);
    }
    // What holds its output open would keep us waiting for ever.
    void attend() override {
        if (status_)
            return;
        reap_orphans(child_->pid());
        if (auto ended = child_->wait(std::chrono::milliseconds(0)); ended && *ended) {
            status_ = **ended;
            end_all_others();
        }
    }
    [[nodiscard]] int status() const { return status_.value_or(-1); }

private:
    std::unique_ptr<sys::Child> child_;
    sys::BorrowedFd terminal_;
    std::optional<int> status_;
};

sys::ProcessSpec spec_of(const Json& arguments) {
    sys::ProcessSpec spec{.argv = json_get<std::vector<std::string>>(arguments, "argv"),
                          .cwd = json_get<std::string>(arguments, "cwd", "/")};
    spec.env = {"HOME=/root", "USER=root", "LOGNAME=root", "SHELL=/bin/bash"};
    for (auto& word : json_get<std::vector<std::string>>(arguments, "env")) {
        auto name = word.substr(0, word.find('=') + 1); // of equal ones most programs see the first
        std::erase_if(spec.env, [&](const auto& known) { return known.starts_with(name); });
        spec.env.push_back(std::move(word));
    }
    spec.new_session = true;
    return spec;
}

Result<Json> cannot_start(const Error& error) {
    int number = error.errno_value != 0         ? error.errno_value
                 : error.code == Code::NotFound ? ENOENT
                                                : 0;
    if (number == 0)
        return fail(error);
    return Json{{"status", number == ENOENT ? 127 : 126}, {"exec_errno", number}};
}

} // namespace

void end_all_others() {
    (void)::kill(-1, SIGKILL);
}

Result<Json> run_program(const Json& arguments, work::Peer& peer) {
    auto spec = spec_of(arguments);
    if (spec.argv.empty())
        return fail(Code::InvalidArgument, "no command was given");
    if (std::error_code ignored; !std::filesystem::is_directory(spec.cwd, ignored))
        return fail(Code::NotFound,
                    fmt::format("there is no directory {} in the machine", printable(spec.cwd)));
    std::pair<sys::OwnedFd, sys::OwnedFd> in, out, err;
    Terminal terminal;
    spec.terminal = json_get<bool>(arguments, "tty");
    if (spec.terminal) {
        SLIPWAY_TRY(terminal, open_terminal(arguments));
        for (int number : {0, 1, 2})
            spec.fds.push_back({terminal.theirs, number});
    } else {
        SLIPWAY_TRY(in, sys::make_pipe());
        SLIPWAY_TRY(out, sys::make_pipe());
        SLIPWAY_TRY(err, sys::make_pipe());
        if (json_get<bool>(arguments, "input"))
            spec.fds.push_back({in.first, 0});
        spec.fds.push_back({out.second, 1});
        spec.fds.push_back({err.second, 2});
    }
    sys::LocalRunner runner;
    auto child = runner.start(spec);
    if (!child)
        return cannot_start(child.error());
    Program program(std::move(*child), terminal.ours);
    work::Pump pump(program, peer);
    if (spec.terminal) {
        terminal.theirs.reset();
        pump.use_terminal(terminal.ours);
    } else {
        in.first.reset();
        out.second.reset();
        err.second.reset();
        pump.set_input(std::move(in.second));
        pump.add_output(out.first, work::Output);
        pump.add_output(err.first, work::ErrorOutput);
    }
    SLIPWAY_CHECK(pump.run());
    program.attend();
    return Json{{"status", program.status()}, {"exec_errno", 0}};
}

} // namespace slipway::testbed
