// SPDX-License-Identifier: Apache-2.0
#include <cstdlib>
#include <cstring>
#include <utility>

#include <unistd.h>

#include <fmt/format.h>

#include "base/strings.hpp"
#include "boot_options.hpp"
#include "guest_signals.hpp"
#include "invocation.hpp"
#include "raw_terminal.hpp"

namespace slipway::app {
namespace {

constexpr int machine_died = 125, timed_out = 124; // as timeout(1)
constexpr std::size_t most_output = 1 << 20;       // bytes kept for --json

// With a terminal at both ends the command gets one of its own, and a shell where none is named.
void use_terminal(ops::BootKernelRequest& request, const Invocation& invocation) {
    const auto& terminal = invocation.terminal;
    request.tty = terminal.in_is_terminal() && terminal.out_is_terminal() && !invocation.json;
    if (request.argv.empty() && request.tty)
        request.argv = {"/bin/sh", "-l"};
    if (const char* term = std::getenv("TERM"); request.tty && term != nullptr)
        request.env.push_back(fmt::format("TERM={}", term));
}

void say_reports(Invocation& invocation, const ops::BootKernelResult& result) {
    for (const auto& report : result.reports)
        invocation.terminal.say(fmt::format(
            "slipway: kernel {} at {:.3f} s{} (line {} of the console): {}", report.kind, report.at,
            report.function.empty() ? "" : " in " + printable(report.function), report.line,
            printable(report.title)));
}

int exit_code(Invocation& invocation, const BootOptions& options,
              const ops::BootKernelResult& result) {
    if (result.status) {
        if (result.exec_errno != 0)
            invocation.terminal.say(fmt::format("slipway: {} in the machine: {}",
                                                options.request.argv.front(),
                                                std::strerror(result.exec_errno)));
        return *result.status;
    }
    if (result.end == ops::MachineEnd::TimedOut) {
        invocation.terminal.say(
            fmt::format("slipway: the machine did not end within {} s and was stopped; its console "
                        "ends with:\n{}",
                        options.timeout, result.console_tail));
        return timed_out;
    }
    invocation.terminal.say(fmt::format(
        "slipway: the machine {} while the command ran; its console ends with:\n{}",
        result.end == ops::MachineEnd::Panicked ? "panicked" : "ended", result.console_tail));
    return machine_died;
}

Result<int> run(Invocation& invocation, BootOptions& options) {
    auto& request = options.request;
    request.argv = invocation.guest_argv;
    use_terminal(request, invocation);
    if (auto understood = understand(options); !understood)
        return invocation.say_usage(understood.error());
    SLIPWAY_TRY(auto context, invocation.context());
    context.host.progress = {};
    sys::OwnedFd console;
    if (!options.console.empty()) {
        SLIPWAY_TRY(console, options.console == "-"
                                 ? sys::duplicate(sys::BorrowedFd(2))
                                 : sys::open_file(options.console, O_WRONLY | O_CREAT, 0644));
        request.on_console = [&console, begun = options.console == "-"](auto bytes) mutable {
            if (!std::exchange(begun, true)) // what was there stays until there is something new
                (void)::ftruncate(console.raw(), 0);
            (void)sys::write_all(console, bytes);
        };
    }
    std::string out, err;
    std::uint64_t out_size = 0, err_size = 0;
    session::CallHooks hooks;
    hooks.on_data = [&](int stream, std::string_view bytes) -> Status {
        if (invocation.json) {
            auto& kept = stream == 2 ? err : out;
            (stream == 2 ? err_size : out_size) += bytes.size();
            kept.append(bytes);
            kept.erase(0, kept.size() - std::min(kept.size(), most_output));
            return {};
        }
        return stream == 2 ? sys::write_all(sys::BorrowedFd(2), bytes)
                           : invocation.terminal.out(bytes);
    };
    request.has_input = !request.tty && !invocation.json;
    hooks.input = invocation.json ? sys::BorrowedFd(-1) : invocation.terminal.in();
    std::optional<RawTerminal> raw;
    if (request.tty) {
        if (auto window = window_size_of(invocation.terminal.in()))
            std::tie(request.rows, request.columns) = *window;
        pass_signals_on();
        hooks.take_signal = take_signal;
        hooks.take_window = [&invocation]() -> std::optional<std::pair<unsigned, unsigned>> {
            return take_window_change() ? window_size_of(invocation.terminal.in()) : std::nullopt;
        };
        raw.emplace(invocation.terminal.in());
    }
    auto result = ops::boot_kernel(context, request, hooks);
    raw.reset();
    if (!result)
        return fail(std::move(result).error());
    if (invocation.json) {
        auto json = ops::to_json(*result);
        json["stdout"] = out;
        json["stderr"] = err;
        json["stdout_bytes"] = out_size; // more than in stdout where its beginning was left out
        json["stderr_bytes"] = err_size;
        SLIPWAY_CHECK(invocation.terminal.out(render_json(json) + "\n"));
    }
    say_reports(invocation, *result);
    return exit_code(invocation, options, *result);
}

} // namespace

void declare_boot(CLI::App& app, Invocation& invocation) {
    auto* command =
        app.add_subcommand("boot", "Boot a kernel in a virtual machine and run a command");
    auto options = std::make_shared<BootOptions>();
    add_boot_options(*command, *options);
    add_output_options(*command, invocation);
    command->footer(
        "After -- follow the command and its arguments: slipway boot --kernel K -- uname "
        "-a. Without it, at a terminal, a shell.");
    command->callback([&invocation, options] {
        invocation.action = [&invocation, options] { return run(invocation, *options); };
    });
}

} // namespace slipway::app
