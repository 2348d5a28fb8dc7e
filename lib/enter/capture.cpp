// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>
#include <csignal>

#include <poll.h>
#include <unistd.h>

#include <fmt/format.h>

#include "base/strings.hpp"
#include "base/units.hpp"
#include "enter/enter.hpp"

namespace slipway::enter {
namespace {

constexpr std::size_t tail_size = 2000;
constexpr int poll_interval = 100; // ms: how long a request to stop may go unnoticed

std::string tail_of(std::string_view text) {
    text = trim(text);
    return printable(text.substr(text.size() - std::min(text.size(), tail_size)));
}

// A pipe from the command, and what is kept of it.
class Output {
public:
    Output(std::string& text, const CommandOptions& options) : text_(text), options_(options) {}
    [[nodiscard]] Status open() {
        SLIPWAY_TRY(auto pipe, sys::make_pipe());
        reader_ = std::move(pipe.first);
        writer_ = std::move(pipe.second);
        return {};
    }
    [[nodiscard]] sys::BorrowedFd writer() const { return writer_; }
    void close_writer() { writer_.reset(); }
    [[nodiscard]] pollfd poller() const {
        return {.fd = reader_.raw(), .events = POLLIN, .revents = 0};
    }
    void drain() {
        std::array<char, 65536> buffer{};
        auto got = ::read(reader_.raw(), buffer.data(), buffer.size());
        if (got < 0 && (errno == EINTR || errno == EAGAIN))
            return;
        if (got <= 0) {
            reader_.reset();
            return;
        }
        std::string_view piece(buffer.data(), static_cast<std::size_t>(got));
        if (options_.on_output)
            options_.on_output(piece);
        text_ += piece;
        if (text_.size() > options_.max_output + options_.max_output / 4)
            text_.erase(0, text_.size() - options_.max_output);
    }

private:
    std::string& text_;
    const CommandOptions& options_;
    sys::OwnedFd reader_;
    sys::OwnedFd writer_;
};

Error stopped(Code code, std::string what, const Captured& captured) {
    Error error{.code = code, .what = std::move(what)};
    error.tool = ToolFailure{captured.argv, captured.finished.status, tail_of(captured.err)};
    return error;
}

// Both pipes end with the namespace at the latest: no daemon outlives it that could hold them.
Status collect(Running& running, std::array<Output, 2>& outputs, const Cancel& cancel) {
    bool killed = false;
    while (true) {
        std::array<pollfd, 2> pollers{outputs[0].poller(), outputs[1].poller()};
        if (pollers[0].fd < 0 && pollers[1].fd < 0)
            return {};
        if (::poll(pollers.data(), pollers.size(), poll_interval) < 0 && errno != EINTR)
            return fail_errno("waiting for output");
        for (std::size_t i = 0; i < pollers.size(); ++i)
            if (pollers[i].revents != 0)
                outputs[i].drain();
        if (cancel.requested() && !std::exchange(killed, true))
            running.signal(SIGKILL);
    }
}

Result<Finished> wait_or_cancel(Running& running, const Cancel& cancel) {
    while (true) {
        SLIPWAY_TRY(auto finished, running.wait(std::chrono::milliseconds(poll_interval)));
        if (finished)
            return *finished;
        if (cancel.requested())
            running.signal(SIGKILL);
    }
}

Result<Captured> capture(const Root& root, Command command, const CommandOptions& options) {
    command.env = options.env;
    command.cwd = options.cwd;
    command.network = options.network;
    command.deadline = options.deadline;
    command.quiet = options.quiet;
    Captured captured{.argv = command.argv};
    std::array<Output, 2> outputs{Output(captured.out, options), Output(captured.err, options)};
    for (auto& output : outputs)
        SLIPWAY_CHECK(output.open());
    command.stdout_fd = outputs[0].writer();
    command.stderr_fd = outputs[1].writer();
    sys::OwnedFd input;
    if (!options.input.empty()) {
        SLIPWAY_TRY(input, sys::make_memfd("input", options.input));
        command.stdin_fd = input;
    }
    SLIPWAY_TRY(auto running, root.start(command));
    for (auto& output : outputs)
        output.close_writer();
    SLIPWAY_CHECK(collect(running, outputs, options.cancel));
    SLIPWAY_TRY(captured.finished, wait_or_cancel(running, options.cancel));
    if (options.cancel.requested())
        return fail(stopped(Code::Cancelled,
                            fmt::format("{} was stopped on request", captured.argv[0]), captured));
    if (captured.finished.timed_out)
        return fail(stopped(Code::Timeout,
                            fmt::format("{} did not end within {}", captured.argv[0],
                                        format_seconds(Seconds(options.deadline).count())),
                            captured));
    return captured;
}

} // namespace

Result<Captured> Root::command(std::vector<std::string> argv, const CommandOptions& options) const {
    return capture(*this, {.argv = std::move(argv), .mounts = false}, options);
}

Result<Captured> Root::command_with_mounts(std::vector<std::string> argv,
                                           const CommandOptions& options) const {
    return capture(*this, {.argv = std::move(argv)}, options);
}

} // namespace slipway::enter
