// SPDX-License-Identifier: Apache-2.0
#include "prove_options.hpp"

namespace slipway::app {
namespace {

Result<int> run(Invocation& invocation, const ProveOptions& options) {
    SLIPWAY_TRY(auto parsed, parse_prove_options(options));
    SLIPWAY_TRY(auto image, invocation.image_options());
    SLIPWAY_TRY(auto context, invocation.context());
    SLIPWAY_TRY(auto proof, ops::prove(context, image, parsed));
    SLIPWAY_CHECK(invocation.terminal.out(invocation.json
                                              ? render_json_pretty(ops::to_json(proof)) + "\n"
                                              : ops::render_text(proof)));
    return proof.login ? 0 : 1;
}

} // namespace

void declare_prove(CLI::App& app, Invocation& invocation) {
    auto* command =
        app.add_subcommand("prove", "Boot a throw-away copy in QEMU, and say how far it comes");
    auto options = std::make_shared<ProveOptions>();
    add_image_options(*command, invocation);
    add_prove_options(*command, *options);
    command->callback([&invocation, options] {
        invocation.action = [&invocation, options] { return run(invocation, *options); };
    });
}

} // namespace slipway::app
