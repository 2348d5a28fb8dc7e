// SPDX-License-Identifier: Apache-2.0
#include "invocation.hpp"
#include "ops/fix.hpp"

namespace slipway::app {
namespace {

struct Options {
    ops::FixRequest request{};
    std::string fstab_mode = "stabilize-all";
    std::string report{};
};

Result<int> run(Invocation& invocation, Options& options) {
    SLIPWAY_CHECK(parse_fstab_mode(options.fstab_mode, options.request.policy));
    SLIPWAY_TRY(options.request.image, invocation.image_options());
    SLIPWAY_TRY(auto file, open_report(options.report));
    SLIPWAY_TRY(auto context, invocation.context());
    auto report = ops::begin_report("fix", invocation.argv);
    auto status = ops::fix(context, options.request, report);
    return finish(invocation, context, report, std::move(status), std::move(file));
}

} // namespace

void declare_fix(CLI::App& app, Invocation& invocation) {
    auto* command =
        app.add_subcommand("fix", "Repair an image in place, so that it boots on virtio hardware");
    command->alias("offline-fix");
    auto options = std::make_shared<Options>();
    add_machine_options(*command, invocation);
    add_policy_options(*command, options->request.policy, options->fstab_mode);
    command->add_flag("--dry-run", options->request.dry_run, "Only say what would be done");
    command->add_option("--report", options->report, "Write the report, JSON, to this file");
    command->callback([&invocation, options] {
        invocation.action = [&invocation, options] { return run(invocation, *options); };
    });
}

} // namespace slipway::app
