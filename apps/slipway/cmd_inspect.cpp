// SPDX-License-Identifier: Apache-2.0
#include "invocation.hpp"
#include "ops/look.hpp"

namespace slipway::app {

void declare_inspect(CLI::App& app, Invocation& invocation) {
    auto* command =
        app.add_subcommand("inspect", "Say what is inside an image, and what would break");
    auto request = std::make_shared<ops::InspectRequest>();
    add_machine_options(*command, invocation);
    command->add_flag("--deep", request->deep, "Also read every initramfs: is virtio inside?");
    command->add_flag("--packages", request->packages, "Also list what is installed");
    command->callback([&invocation, request] {
        invocation.action = [&invocation, request]() -> Result<int> {
            SLIPWAY_TRY(auto context, invocation.context());
            SLIPWAY_TRY(auto image, invocation.image_options());
            SLIPWAY_TRY(auto inspection, ops::inspect(context, image, *request));
            const auto& inventory = inspection.inventory;
            SLIPWAY_CHECK(invocation.terminal.out(
                invocation.json ? render_json_pretty(report::to_json(inventory)) + "\n"
                                : report::render_text(inventory)));
            if (inspection.no_system)
                return fail(std::move(*inspection.no_system));
            return 0;
        };
    });
}

} // namespace slipway::app
