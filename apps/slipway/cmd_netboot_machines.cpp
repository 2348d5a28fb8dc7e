// SPDX-License-Identifier: Apache-2.0
// What an operator does with machines that were booted over the network.
#include <fmt/format.h>

#include "base/strings.hpp"
#include "base/units.hpp"
#include "cmd_netboot.hpp"

namespace slipway::app {
namespace {

using Options = MachineOptions;

// Lines of a machine, without what would do something to a terminal.
std::string printable_lines(std::string_view text) {
    std::string lines;
    for (auto line : split(trim(text), '\n'))
        lines += printable(line) + "\n";
    return lines;
}

std::string line_of(const Json& machine) {
    auto text = [&](const char* name) { return printable(json_get<std::string>(machine, name)); };
    auto free = json_get<std::uint64_t>(json_at(machine, "memory"), "available");
    return fmt::format("{:16}  {:17}  {:15}  {:20}  {:>9}  {}\n", text("id"), text("mac"),
                       text("address"), text("status"), free == 0 ? "" : format_size(free),
                       text("image_url"));
}

Result<int> list(Invocation& invocation, const Options& options) {
    SLIPWAY_TRY(auto context, invocation.context());
    SLIPWAY_TRY(auto found, ops::netboot_machines(context, options.as));
    if (invocation.json) {
        SLIPWAY_CHECK(invocation.terminal.out(render_json_pretty(found) + "\n"));
        return 0;
    }
    const auto& machines = json_at(found, "machines");
    if (machines.empty())
        invocation.terminal.say("no machine has reported");
    else
        SLIPWAY_CHECK(
            invocation.terminal.out(fmt::format("{:16}  {:17}  {:15}  {:20}  {:>9}  {}\n", "ID",
                                                "MAC", "ADDRESS", "PHASE", "FREE", "IMAGE")));
    for (const auto& machine : machines)
        SLIPWAY_CHECK(invocation.terminal.out(line_of(machine)));
    return 0;
}

Result<int> approve(Invocation& invocation, const Options& options) {
    SLIPWAY_TRY(auto context, invocation.context());
    auto change = options.forget ? ops::forget_netboot_machine : ops::approve_netboot_machine;
    SLIPWAY_CHECK(change(context, options.as, options.machine));
    return 0;
}

Result<int> command(Invocation& invocation, const Options& options, const std::string& line) {
    SLIPWAY_TRY(auto context, invocation.context());
    // The last line is told once: as the outcome.
    std::optional<std::string> last;
    auto tell_last = [&] {
        if (last && !invocation.quiet)
            invocation.terminal.say(trim(printable_lines(*last)));
    };
    auto outcome = ops::command_netboot_machine(context, options.as, options.machine, line,
                                                [&](const std::string& said) {
                                                    tell_last();
                                                    last = said;
                                                });
    if (last != (outcome ? *outcome : render_text(outcome.error())))
        tell_last();
    if (!outcome)
        return fail(std::move(outcome.error()));
    if (!outcome->empty())
        SLIPWAY_CHECK(invocation.terminal.out(printable_lines(*outcome)));
    return 0;
}

Result<int> load(Invocation& invocation, const Options& options) {
    std::string line = "load";
    std::vector<std::string> words{options.image};
    const auto& further = options.verb->remaining();
    words.insert(words.end(), further.begin(), further.end());
    for (const auto& word : words) {
        if (word.find('\'') != std::string::npos || printable(word) != word)
            return fail(Code::InvalidArgument,
                        fmt::format("{} cannot be said to the machine", printable(word)));
        line += fmt::format(" '{}'", word);
    }
    return command(invocation, options, line);
}

Result<int> log(Invocation& invocation, const Options& options) {
    SLIPWAY_TRY(auto context, invocation.context());
    SLIPWAY_TRY(auto text, ops::netboot_log(context, options.as, options.machine));
    SLIPWAY_CHECK(invocation.terminal.out(printable_lines(text)));
    return 0;
}

using Verb = Result<int> (*)(Invocation&, const Options&);

CLI::App* add(CLI::App& netboot, Invocation& invocation, const char* name, const char* help,
              const std::shared_ptr<Options>& options, Verb run, bool of_one = true) {
    auto* verb = netboot.add_subcommand(name, help);
    add_output_options(*verb, invocation);
    if (of_one)
        verb->add_option("MACHINE", options->machine, "Its id, the beginning of it, or its MAC")
            ->required();
    verb->add_option("--server", options->as.server,
                     "The server of machines, if it is not this host's: https://ADDRESS:8443");
    verb->add_option("--state", options->as.state,
                     "Directory of the server's key and token, instead of the user's own");
    verb->callback([&invocation, options, run] {
        invocation.action = [&invocation, options, run] { return run(invocation, *options); };
    });
    return verb;
}

} // namespace

void declare_netboot_machines(CLI::App& netboot, Invocation& invocation) {
    auto options = std::make_shared<Options>();
    add(netboot, invocation, "machines", "List machines that report to the server", options, list,
        false);
    auto* verb = add(netboot, invocation, "approve", "Take orders to a machine from now on",
                     options, approve);
    verb->add_flag("--forget", options->forget, "Forget it instead");
    verb = add(netboot, invocation, "load", "Have a machine load an image, and enter it", options,
               load);
    verb->add_option("IMAGE", options->image, "URL, or name of an image of the server")->required();
    // The machine knows them, and explains what is wrong.
    verb->allow_extras();
    options->verb = verb;
    verb->footer(
        "Further options are those of `load` at the machine's prompt: --sha256, --entry, …");
    add(netboot, invocation, "return", "Have a machine end its image, and come back", options,
        [](Invocation& of, const Options& chosen) { return command(of, chosen, "return"); });
    add(netboot, invocation, "log", "What has happened at a machine", options, log);
    verb = add(netboot, invocation, "console", "A machine's console; Ctrl-] leaves it", options,
               attend_netboot_console);
    verb->add_flag("--once", options->once, "Only what is there already");
}

} // namespace slipway::app
