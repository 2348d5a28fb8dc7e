// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include "invocation.hpp"
#include "ops/cleanup.hpp"

namespace slipway::app {

void declare_cleanup(CLI::App& app, Invocation& invocation) {
    auto* command =
        app.add_subcommand("cleanup", "Remove what interrupted runs may have left behind");
    auto directories = std::make_shared<std::vector<std::string>>();
    auto dry_run = std::make_shared<bool>(false);
    command->add_option("DIRECTORY", *directories, "Directories of images to look in as well");
    command->add_flag("--dry-run", *dry_run, "Only say what would be removed");
    add_output_options(*command, invocation);
    command->callback([&invocation, directories, dry_run] {
        invocation.action = [&invocation, directories, dry_run]() -> Result<int> {
            SLIPWAY_TRY(auto context, invocation.context());
            SLIPWAY_TRY(auto found,
                        ops::cleanup(context, {.directories = *directories, .dry_run = *dry_run}));
            if (invocation.json)
                SLIPWAY_CHECK(
                    invocation.terminal.out(render_json_pretty(ops::to_json(found)) + "\n"));
            else
                for (const auto& leftover : found)
                    SLIPWAY_CHECK(invocation.terminal.out(
                        fmt::format("{} {}: {}\n", leftover.removed ? "removed" : "found",
                                    leftover.what, leftover.why)));
            return 0;
        };
    });
}

} // namespace slipway::app
