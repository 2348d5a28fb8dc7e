// SPDX-License-Identifier: Apache-2.0
#include "base/strings.hpp"
#include "invocation.hpp"
#include "ops/look.hpp"

namespace slipway::app {

void declare_ls(CLI::App& app, Invocation& invocation) {
    auto* command = app.add_subcommand("ls", "List a directory of the guest, one name per line");
    auto path = std::make_shared<std::string>("/");
    add_machine_options(*command, invocation);
    command->add_option("PATH", *path, "Directory or file in the guest")->capture_default_str();
    command->callback([&invocation, path] {
        invocation.action = [&invocation, path]() -> Result<int> {
            SLIPWAY_TRY(auto context, invocation.context());
            SLIPWAY_TRY(auto image, invocation.image_options());
            SLIPWAY_TRY(auto files, ops::list(context, image, *path));
            auto entries = Json::array();
            std::string lines;
            for (const auto& file : files) {
                entries.push_back({{"name", file.name}, {"type", file.type}});
                // A name may hold what a terminal takes for a command.
                lines +=
                    (invocation.terminal.out_is_terminal() ? printable(file.name) : file.name) +
                    "\n";
            }
            SLIPWAY_CHECK(invocation.terminal.out(
                invocation.json ? render_json(Json{{"entries", entries}}) + "\n" : lines));
            return 0;
        };
    });
}

} // namespace slipway::app
