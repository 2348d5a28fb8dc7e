// SPDX-License-Identifier: Apache-2.0
#include "work/command.hpp"

#include <chrono>

#include "work/pump.hpp"

namespace slipway::work {
namespace {

class EnteredProgram final : public RunningProgram {
public:
    explicit EnteredProgram(enter::Running& running) : running_(running) {}
    [[nodiscard]] sys::BorrowedFd exit_fd() const override { return running_.exit_fd(); }
    void signal(int number) override { running_.signal(number); }
    void set_window_size(const struct winsize& size) override {
        [[maybe_unused]] auto set = running_.set_window_size(size);
    }

private:
    enter::Running& running_;
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
    EnteredProgram program(running);
    Pump pump(program, peer);
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
