// SPDX-License-Identifier: Apache-2.0
#include <cstdlib>
#include <cstring>

#include <fmt/format.h>

#include "guest_signals.hpp"
#include "invocation.hpp"
#include "ops/look.hpp"
#include "raw_terminal.hpp"

namespace slipway::app {
namespace {

struct Options {
    ops::RunRequest request{};
    double timeout = 0;
};

session::CallHooks hooks_for(Invocation& invocation) {
    session::CallHooks hooks{.input = invocation.terminal.in(), .take_signal = take_signal};
    hooks.on_data = [&invocation](int stream, std::string_view bytes) {
        if (stream != 2)
            return invocation.terminal.out(bytes);
        invocation.terminal.clear_progress();
        return sys::write_all(sys::BorrowedFd(2), bytes);
    };
    return hooks;
}

Result<int> run(Invocation& invocation, Options& options) {
    auto& request = options.request;
    request.argv = invocation.guest_argv;
    if (request.argv.empty())
        return fail(Code::InvalidArgument, "no command was given",
                    "write it after --, such as: slipway run IMAGE -- cat /etc/os-release");
    SLIPWAY_TRY(auto image, invocation.image_options());
    SLIPWAY_TRY(auto context, invocation.context());
    request.deadline = std::chrono::milliseconds(static_cast<long>(options.timeout * 1000));
    request.tty = invocation.terminal.in_is_terminal() && invocation.terminal.out_is_terminal();
    auto hooks = hooks_for(invocation);
    std::optional<RawTerminal> raw;
    context.host.progress = {};
    if (request.tty) {
        if (auto window = window_size_of(invocation.terminal.in()))
            std::tie(request.rows, request.columns) = *window;
        hooks.take_window = [&invocation]() -> std::optional<std::pair<unsigned, unsigned>> {
            if (!take_window_change())
                return std::nullopt;
            return window_size_of(invocation.terminal.in());
        };
        raw.emplace(invocation.terminal.in());
    }
    pass_signals_on();
    auto result = ops::run(context, image, request, hooks);
    raw.reset();
    if (!result)
        return fail(std::move(result).error());
    if (result->exec_errno != 0)
        invocation.terminal.say(fmt::format("slipway: {} in the guest: {}", request.argv.front(),
                                            std::strerror(result->exec_errno)));
    if (result->timed_out)
        invocation.terminal.say(fmt::format(
            "slipway: the command did not end within {} s and was killed", options.timeout));
    return result->status;
}

} // namespace

void declare_run(CLI::App& app, Invocation& invocation) {
    auto* command = app.add_subcommand("run", "Run a program of the guest inside its root");
    auto options = std::make_shared<Options>();
    add_machine_options(*command, invocation);
    command->add_flag("--write", options->request.write,
                      "Keep the changes; otherwise they are dropped");
    command->add_flag("--network", options->request.network,
                      "Let the program use this machine's network");
    command
        ->add_option("--env", options->request.env,
                     "NAME=value for the program's environment; may be repeated")
        ->allow_extra_args(false)
        ->check([](const std::string& word) {
            return word.find('=') == std::string::npos || word.front() == '='
                       ? "write it as NAME=value"
                       : "";
        });
    command->add_option("--cwd", options->request.cwd, "Directory in the guest to run in")
        ->capture_default_str();
    command->add_option("--timeout", options->timeout, "Seconds after which it is killed")
        ->check([](const std::string& text) {
            return std::strtod(text.c_str(), nullptr) > 0 ? "" : "give a number of seconds above 0";
        });
    command->footer(
        "After -- follow the guest's program and its arguments: slipway run IMAGE -- CMD ...");
    command->callback([&invocation, options] {
        invocation.action = [&invocation, options] { return run(invocation, *options); };
    });
}

} // namespace slipway::app
