// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <csignal>

#include <fmt/format.h>

#include "base/json.hpp"
#include "base/strings.hpp"
#include "invocation.hpp"

namespace slipway::app {
namespace {

constexpr int usage_error = 2;

void declare_all(CLI::App& app, Invocation& invocation) {
    app.require_subcommand(1);
    app.set_version_flag("--version", "slipway " SLIPWAY_VERSION);
    declare_migrate(app, invocation);
    declare_fix(app, invocation);
    declare_inspect(app, invocation);
    declare_run(app, invocation);
    declare_prove(app, invocation);
    declare_ls(app, invocation);
    declare_cat(app, invocation);
    declare_get(app, invocation);
    declare_put(app, invocation);
    declare_mount(app, invocation);
    declare_boot(app, invocation);
    declare_mcp(app, invocation);
    declare_doctor(app, invocation);
    declare_rootfs(app, invocation);
    declare_fstests(app, invocation);
    declare_netboot(app, invocation);
    declare_cleanup(app, invocation);
}

// The innermost command that was named: `slipway rootfs create`.
std::vector<CLI::App*> chosen_commands(const CLI::App& app) {
    std::vector<CLI::App*> chosen;
    for (auto within = app.get_subcommands(); !within.empty();
         within = chosen.back()->get_subcommands())
        chosen.push_back(within.front());
    return chosen;
}

int report_error(Invocation& invocation, const Error& error) {
    if (error.errno_value == EPIPE) // `slipway cat … | head`: as if by SIGPIPE
        return 128 + SIGPIPE;
    invocation.terminal.say(fmt::format("slipway: {}", render_text(error)));
    // run and boot have exit codes of their own: 125 is ours, the others belong to the program.
    bool runs =
        invocation.argv.size() > 1 && (invocation.argv[1] == "run" || invocation.argv[1] == "boot");
    return runs && error.code != Code::Cancelled ? 125 : exit_code_of(error.code);
}

// An option that was given without a value: a variable of a shell that is not set, most often.
const CLI::Option* find_empty(const CLI::App& command) {
    for (const auto* option : command.get_options()) {
        const auto& values = option->results();
        if (option->nonpositional() && option->get_expected_max() > 0 &&
            option->get_name() != "--append" &&
            std::find(values.begin(), values.end(), "") != values.end())
            return option;
    }
    return nullptr;
}

bool takes_program(const CLI::App& command) {
    return command.get_name() == "run" || command.get_name() == "boot";
}

} // namespace

int Invocation::say_usage(const Error& error) const {
    terminal.say(fmt::format("slipway: {}", render_text(error)));
    return usage_error;
}

int run_program(const std::vector<std::string>& argv, Terminal& terminal, const Cancel& cancel) {
    CLI::App app{"Opens, inspects, repairs and boots operating system images.", "slipway"};
    Invocation invocation{.argv = argv, .terminal = terminal, .cancel = cancel};
    declare_all(app, invocation);
    // What stands after "--" belongs to the guest's program, whatever it looks like.
    auto dashes = std::find(argv.begin(), argv.end(), "--");
    if (dashes != argv.end())
        invocation.guest_argv.assign(dashes + 1, argv.end());
    std::vector<std::string> arguments(std::make_reverse_iterator(dashes), argv.rend());
    if (!arguments.empty())
        arguments.pop_back();
    try {
        app.parse(arguments);
    } catch (const CLI::CallForHelp&) {
        auto chosen = chosen_commands(app);
        return terminal.out(chosen.empty() ? app.help() : chosen.back()->help()) ? 0 : 5;
    } catch (const CLI::CallForVersion&) {
        return terminal.out("slipway " SLIPWAY_VERSION "\n") ? 0 : 5;
    } catch (const CLI::ParseError& error) {
        auto chosen = chosen_commands(app);
        std::string command = "slipway ", name;
        for (const auto* each : chosen) {
            command += each->get_name() + " ";
            name += each->get_name() + " ";
        }
        // The word where a command should be, behind the program's own name.
        auto given = static_cast<std::size_t>(dashes - argv.begin());
        auto at = chosen.size() + 1;
        bool wants = chosen.empty() || chosen.back()->get_require_subcommand_min() > 0;
        bool unknown = wants && at < given && !argv[at].starts_with('-');
        auto what = unknown ? fmt::format("'{}{}' is no command", name, printable(argv[at]))
                            : std::string(error.what());
        terminal.say(fmt::format("slipway: {}\n  try: {}--help", what, command));
        return usage_error;
    }
    if (auto chosen = chosen_commands(app); dashes != argv.end() && !takes_program(*chosen.front()))
        return invocation.say_usage(
            {.code = Code::InvalidArgument,
             .what = fmt::format("{} starts no program: nothing may stand after --",
                                 chosen.back()->get_name())});
    for (const auto* command : chosen_commands(app))
        if (const auto* empty = find_empty(*command))
            return invocation.say_usage(
                {.code = Code::InvalidArgument,
                 .what = fmt::format("{} was given nothing", empty->get_name()),
                 .hint = "is the variable set that stands there?"});
    auto status = invocation.action();
    terminal.clear_progress();
    if (status)
        return *status;
    return report_error(invocation, status.error());
}

} // namespace slipway::app
