// SPDX-License-Identifier: Apache-2.0
// The repairs as fix and migrate share them: plan, apply, verify on an opened image.
#pragma once

#include <functional>

#include "ops/open_image.hpp"
#include "ops/steps.hpp"
#include "report/plan.hpp"

namespace slipway::ops {

struct MendOptions {
    std::string root{};
    report::Policy policy{};
    bool dry_run = false;
    std::function<Status(const report::Report& planned)> approve{}; ///< see FixRequest
};

/// Plans, and unless `dry_run` applies and reads back. Fills inventory, plan, outcomes, findings
/// and timings of the report as it goes. Corrupt if a boot file names a device of this host
/// afterwards. On return the session is closed and the overlay whole.
[[nodiscard]] Status mend(const Context& context, OpenImage& opened, const MendOptions& options,
                          report::Report& report);

/// Where initramfs examinations are remembered by digest; "" without a place.
[[nodiscard]] std::string cache_directory();

} // namespace slipway::ops
