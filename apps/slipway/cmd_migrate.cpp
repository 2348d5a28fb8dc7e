// SPDX-License-Identifier: Apache-2.0
#include <filesystem>

#include "invocation.hpp"
#include "ops/migrate.hpp"
#include "prove_options.hpp"

namespace slipway::app {
namespace {

struct Options {
    ops::MigrateRequest request{};
    std::string format = "qcow2";
    std::string fstab_mode = "stabilize-all";
    std::string resize{};
    std::string report{};
    bool prove = false;
    ProveOptions proof{};
};

bool is_same_name(const std::string& a, const std::string& b) {
    std::error_code ignored;
    return std::filesystem::weakly_canonical(a, ignored) ==
           std::filesystem::weakly_canonical(b, ignored);
}

Status understand(Invocation& invocation, Options& options) {
    SLIPWAY_CHECK(parse_fstab_mode(options.fstab_mode, options.request.policy));
    SLIPWAY_TRY(options.request.image, invocation.image_options());
    SLIPWAY_TRY(options.request.format, image::parse_format(options.format));
    SLIPWAY_TRY([[maybe_unused]] auto proof, parse_prove_options(options.proof));
    if (!options.report.empty() && is_same_name(options.report, options.request.output))
        return fail(Code::InvalidArgument, "--report and --output name the same file",
                    "choose another name for --report");
    if (options.resize.empty())
        return {};
    if (options.resize.front() != '+')
        return fail(Code::InvalidArgument, "--resize can only make the disk larger",
                    "write it with a plus, such as --resize +10G");
    SLIPWAY_TRY(options.request.grow_by, parse_size(std::string_view(options.resize).substr(1)));
    return {};
}

// What was written, opened as the source was: one that is not trusted has not become better.
ops::ImageOptions image_to_prove(const ops::MigrateRequest& request) {
    auto image = request.image;
    image.path = request.output;
    image.format = request.format;
    image.allow_backing = false;
    return image;
}

Result<int> run(Invocation& invocation, Options& options) {
    SLIPWAY_CHECK(understand(invocation, options));
    SLIPWAY_TRY(auto file, open_report(options.report));
    SLIPWAY_TRY(auto context, invocation.context());
    auto report = ops::begin_report("migrate", invocation.argv);
    auto status = ops::migrate(context, options.request, report);
    if (status && options.prove && !options.request.dry_run)
        status = prove_output(invocation, context, image_to_prove(options.request), options.proof,
                              report);
    return finish(invocation, context, report, std::move(status), std::move(file));
}

} // namespace

void declare_migrate(CLI::App& app, Invocation& invocation) {
    auto* command = app.add_subcommand(
        "migrate", "Copy a disk of another hypervisor so that it boots on virtio hardware");
    auto options = std::make_shared<Options>();
    auto& request = options->request;
    add_image_options(*command, invocation);
    add_policy_options(*command, request.policy, options->fstab_mode);
    command->add_option("-o,--output", request.output, "Image to write; must not exist")
        ->required();
    command->add_option("--format", options->format, "qcow2, raw, vmdk, vdi, vpc (VHD) or vhdx")
        ->capture_default_str();
    command->add_flag("--compress", request.compress, "Compress the output (qcow2, vmdk)");
    command->add_option("--resize", options->resize, "Make the disk larger, such as +10G");
    command->add_flag("--dry-run", request.dry_run, "Only say what would be done");
    command->add_option("--report", options->report, "Write the report, JSON, to this file");
    command->add_flag("--prove", options->prove,
                      "Boot a throw-away copy of the result to see that it comes up");
    add_prove_options(*command, options->proof);
    command->callback([&invocation, options] {
        invocation.action = [&invocation, options] { return run(invocation, *options); };
    });
}

} // namespace slipway::app
