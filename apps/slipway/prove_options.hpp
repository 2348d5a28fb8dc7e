// SPDX-License-Identifier: Apache-2.0
// What `prove` and `migrate --prove` share.
#pragma once

#include <string>

#include "invocation.hpp"
#include "ops/prove.hpp"

namespace slipway::app {

/// As the command line gives them.
struct ProveOptions {
    std::string bus = "virtio";
    std::string firmware{};
    unsigned timeout_seconds = static_cast<unsigned>(ops::ProveOptions{}.timeout.count());
};
/// Adds --bus, --firmware and --timeout.
void add_prove_options(CLI::App& command, ProveOptions& options);
[[nodiscard]] Result<ops::ProveOptions> parse_prove_options(const ProveOptions& options);

/// Boots what was written, and puts the proof into the report, with a blocker where no login prompt
/// came up.
[[nodiscard]] Status prove_output(Invocation& invocation, const ops::Context& context,
                                  const ops::ImageOptions& image, const ProveOptions& options,
                                  report::Report& report);

} // namespace slipway::app
