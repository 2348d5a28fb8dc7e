// SPDX-License-Identifier: Apache-2.0
#include "invocation.hpp"
#include "ops/look.hpp"

namespace slipway::app {

void declare_cat(CLI::App& app, Invocation& invocation) {
    auto* command = app.add_subcommand("cat", "Print a file of the guest");
    auto path = std::make_shared<std::string>();
    add_machine_options(*command, invocation);
    command->add_option("PATH", *path, "File in the guest")->required();
    command->callback([&invocation, path] {
        invocation.action = [&invocation, path]() -> Result<int> {
            SLIPWAY_TRY(auto context, invocation.context());
            SLIPWAY_TRY(auto image, invocation.image_options());
            SLIPWAY_TRY([[maybe_unused]] auto size,
                        ops::get(context, image, *path, [&invocation](std::string_view bytes) {
                            return invocation.terminal.out(bytes);
                        }));
            return 0;
        };
    });
}

} // namespace slipway::app
