// SPDX-License-Identifier: Apache-2.0
#include "work/command.hpp"

#include <array>
#include <csignal>

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <fmt/format.h>

namespace slipway::work {
namespace {

// Carries bytes between the client and one running command.
class Pump {
public:
    Pump(enter::Running& running, Peer& peer) : running_(running), peer_(peer) {}

    void set_input(sys::OwnedFd fd) {
        input_ = std::move(fd);
        ::fcntl(input_.raw(), F_SETFL, O_NONBLOCK);
    }
    void add_output(sys::BorrowedFd fd, Stream stream) { outputs_[stream] = fd; }
    void use_terminal(sys::BorrowedFd fd) {
        terminal_ = fd;
        add_output(fd, Output);
    }

    /// Until the command has ended and all of its output was sent.
    Status run() {
        // What came in one piece with the request is in the peer's buffer, where poll is blind.
        SLIPWAY_CHECK(take_events());
        bool ended = false;
        while (!ended || open_outputs() > 0) {
            std::array<pollfd, 5> polls{{{peer_.fd().raw(), POLLIN, 0},
                                         {ended ? -1 : running_.exit_fd().raw(), POLLIN, 0},
                                         {pending_.empty() ? -1 : input_fd(), POLLOUT, 0},
                                         {wanted(Output), POLLIN, 0},
                                         {wanted(ErrorOutput), POLLIN, 0}}};
            if (::poll(polls.data(), polls.size(), 1000) < 0 && errno != EINTR)
                return fail_errno("waiting for the command");
            SLIPWAY_CHECK(take_events());
            if (polls[2].revents != 0)
                write_input();
            for (auto stream : {Output, ErrorOutput})
                if (polls[stream == Output ? 3 : 4].revents != 0)
                    SLIPWAY_CHECK(forward(stream));
            ended = ended || polls[1].revents != 0;
        }
        return {};
    }

private:
    [[nodiscard]] int input_fd() const {
        return terminal_.valid() ? terminal_.raw() : input_.raw();
    }
    [[nodiscard]] int wanted(Stream stream) const {
        return peer_.credit(stream) > 0 ? outputs_[stream].raw() : -1;
    }
    [[nodiscard]] int open_outputs() const {
        return (outputs_[Output].valid() ? 1 : 0) + (outputs_[ErrorOutput].valid() ? 1 : 0);
    }

    Status take_events() {
        while (true) {
            SLIPWAY_TRY(auto event, peer_.next_event(std::chrono::milliseconds(0)));
            if (!event)
                return {};
            switch (event->kind) {
            case Event::Kind::Cancel:
                running_.signal(SIGKILL);
                return fail(Code::Cancelled, "the command was stopped on request");
            case Event::Kind::Data:
                pending_ += event->bytes;
                write_input();
                break;
            case Event::Kind::EndOfInput:
                input_ended_ = true;
                write_input();
                break;
            case Event::Kind::Signal:
                running_.signal(event->number);
                break;
            case Event::Kind::Window: {
                struct winsize size {};
                size.ws_row = static_cast<unsigned short>(event->rows);
                size.ws_col = static_cast<unsigned short>(event->columns);
                [[maybe_unused]] auto set = running_.set_window_size(size);
                break;
            }
            }
        }
    }

    void write_input() {
        while (!pending_.empty()) {
            auto put = input_fd() < 0 ? static_cast<ssize_t>(pending_.size())
                                      : ::write(input_fd(), pending_.data(), pending_.size());
            if (put < 0 && errno == EINTR)
                continue;
            if (put < 0 && errno == EAGAIN)
                return;
            // A command that does not read its input any more (EPIPE) is no failure of ours.
            auto used = put < 0 ? pending_.size() : static_cast<std::size_t>(put);
            peer_.consumed(used);
            pending_.erase(0, used);
        }
        if (input_ended_ && !terminal_.valid())
            input_.reset();
    }

    Status forward(Stream stream) {
        std::array<char, 32768> buffer{};
        auto got = ::read(outputs_[stream].raw(), buffer.data(),
                          std::min(buffer.size(), peer_.credit(stream)));
        if (got < 0 && (errno == EINTR || errno == EAGAIN))
            return {};
        if (got <= 0) { // a terminal without a user answers EIO
            outputs_[stream] = sys::BorrowedFd(-1);
            return {};
        }
        return peer_.send(stream, {buffer.data(), static_cast<std::size_t>(got)});
    }

    enter::Running& running_;
    Peer& peer_;
    sys::OwnedFd input_;
    sys::BorrowedFd terminal_{-1};
    std::array<sys::BorrowedFd, 3> outputs_{sys::BorrowedFd(-1), sys::BorrowedFd(-1),
                                            sys::BorrowedFd(-1)};
    std::string pending_;
    bool input_ended_ = false;
};

enter::Command command_of(const Json& arguments) {
    enter::Command command{.argv = json_get<std::vector<std::string>>(arguments, "argv"),
                           .env = json_get<std::vector<std::string>>(arguments, "env"),
                           .cwd = json_get<std::string>(arguments, "cwd", "/"),
                           .network = json_get<bool>(arguments, "network"),
                           .tty = json_get<bool>(arguments, "tty"),
                           .deadline =
                               std::chrono::milliseconds(json_get<long>(arguments, "deadline_ms")),
                           .quiet = true}; // its status is the client's to judge
    command.window.ws_row = json_get<unsigned short>(arguments, "rows");
    command.window.ws_col = json_get<unsigned short>(arguments, "columns");
    return command;
}

} // namespace

Result<Json> run_command(const enter::Root& root, const Json& arguments, Peer& peer) {
    auto command = command_of(arguments);
    if (command.argv.empty())
        return fail(Code::InvalidArgument, "no command was given");
    SLIPWAY_TRY(auto in, sys::make_pipe());
    SLIPWAY_TRY(auto out, sys::make_pipe());
    SLIPWAY_TRY(auto err, sys::make_pipe());
    if (!command.tty) {
        if (json_get<bool>(arguments, "input"))
            command.stdin_fd = in.first;
        command.stdout_fd = out.second;
        command.stderr_fd = err.second;
    }
    SLIPWAY_TRY(auto running, root.start(command));
    Pump pump(running, peer);
    in.first.reset();
    out.second.reset();
    err.second.reset();
    if (command.tty)
        pump.use_terminal(running.terminal());
    else {
        pump.set_input(std::move(in.second));
        pump.add_output(out.first, Output);
        pump.add_output(err.first, ErrorOutput);
    }
    SLIPWAY_CHECK(pump.run());
    SLIPWAY_TRY(auto finished, running.wait());
    return Json{{"status", finished.status},
                {"exec_errno", finished.exec_errno},
                {"timed_out", finished.timed_out},
                {"timings",
                 {{"mount", finished.timings.mount},
                  {"run", finished.timings.run},
                  {"unmount", finished.timings.unmount}}}};
}

} // namespace slipway::work
