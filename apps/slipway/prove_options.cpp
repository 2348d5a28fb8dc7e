// SPDX-License-Identifier: Apache-2.0
#include "prove_options.hpp"

#include <fmt/format.h>

#include "base/units.hpp"

namespace slipway::app {

void add_prove_options(CLI::App& command, ProveOptions& options) {
    command
        .add_option("--bus", options.bus,
                    "Bus of the disk in the proof: virtio, sata or scsi (virtio-scsi)")
        ->capture_default_str();
    command.add_option("--firmware", options.firmware,
                       "bios or uefi; default: what the image was installed for");
    command
        .add_option("--timeout", options.timeout_seconds, "Seconds to wait for the login prompt")
        ->capture_default_str()
        ->check(CLI::Range(1U, 86400U));
}

Result<ops::ProveOptions> parse_prove_options(const ProveOptions& options) {
    ops::ProveOptions parsed{.timeout = std::chrono::seconds(options.timeout_seconds)};
    SLIPWAY_TRY(parsed.bus, vm::parse_bus(options.bus));
    if (!options.firmware.empty()) {
        SLIPWAY_TRY(parsed.firmware, vm::parse_firmware(options.firmware));
    }
    return parsed;
}

Status prove_output(Invocation& invocation, const ops::Context& context,
                    const ops::ImageOptions& image, const ProveOptions& options,
                    report::Report& report) {
    SLIPWAY_TRY(auto parsed, parse_prove_options(options));
    auto start = Clock::now();
    auto proof = ops::prove(context, image, parsed);
    report.timings["prove"] = seconds_since(start);
    if (!proof)
        return fail(std::move(proof.error()).in(fmt::format("proving {}", image.path)));
    report.proof = ops::to_json(*proof);
    if (!proof->login)
        report.findings.push_back(
            {.id = proof->waits_for_passphrase.empty() ? "boot-not-proven"
                                                       : "boot-waits-for-passphrase",
             .severity = report::Severity::Blocker,
             .where = image.path,
             .text =
                 fmt::format("the boot stopped after the stage {}", vm::name_of(proof->reached)),
             .remedy = proof->likely_cause});
    if (!invocation.json && !invocation.quiet)
        return invocation.terminal.out(ops::render_text(*proof));
    return {};
}

} // namespace slipway::app
