// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include "invocation.hpp"
#include "ops/doctor.hpp"

namespace slipway::app {

void declare_doctor(CLI::App& app, Invocation& invocation) {
    auto* command =
        app.add_subcommand("doctor", "Say what this machine can do, and how to get what it lacks");
    add_output_options(*command, invocation);
    command->callback([&invocation] {
        invocation.action = [&invocation]() -> Result<int> {
            SLIPWAY_TRY(auto context, invocation.context());
            auto checks = ops::doctor(context);
            if (invocation.json) {
                SLIPWAY_CHECK(
                    invocation.terminal.out(render_json_pretty(ops::to_json(checks)) + "\n"));
                return 0;
            }
            for (const auto& check : checks)
                SLIPWAY_CHECK(invocation.terminal.out(
                    fmt::format("{:<4} {:<28} {}{}\n",
                                check.good     ? "ok"
                                : check.needed ? "GAP"
                                               : "-",
                                check.name, check.found,
                                check.remedy.empty() ? "" : fmt::format("; {}", check.remedy))));
            return 0;
        };
    });
}

} // namespace slipway::app
