// SPDX-License-Identifier: Apache-2.0
#include "invocation.hpp"
#include "ops/fix.hpp"

namespace slipway::app {
namespace {

struct Options {
    ops::FixRequest request{};
    PolicyOptions policy{};
    ReportOptions report{};
};

Result<int> run(Invocation& invocation, Options& options) {
    SLIPWAY_TRY(options.request.policy, parse_policy(options.policy));
    options.request.tool_deadline = tool_deadline(options.policy);
    SLIPWAY_TRY(options.request.image, invocation.image_options());
    SLIPWAY_CHECK(check_report(options.report));
    SLIPWAY_TRY(auto context, invocation.context());
    auto report = ops::begin_report("fix", invocation.argv);
    auto status = ops::fix(context, options.request, report);
    return finish(invocation, context, report, std::move(status), options.report);
}

} // namespace

void declare_fix(CLI::App& app, Invocation& invocation) {
    auto* command =
        app.add_subcommand("fix", "Repair an image in place, so that it boots on virtio hardware");
    command->alias("offline-fix");
    auto options = std::make_shared<Options>();
    add_image_options(*command, invocation);
    add_policy_options(*command, options->policy);
    command->add_flag("--dry-run", options->request.dry_run, "Only say what would be done");
    command->add_option("--report", options->report.file, "Write the report, JSON, to this file");
    command->callback([&invocation, options] {
        invocation.action = [&invocation, options] { return run(invocation, *options); };
    });
}

} // namespace slipway::app
