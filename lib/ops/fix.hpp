// SPDX-License-Identifier: Apache-2.0
// fix: the repairs of migrate, in place. After a crash at any moment the image is as before or as
// after.
#pragma once

#include <functional>

#include "ops/mend.hpp"

namespace slipway::ops {

struct FixRequest {
    ImageOptions image;
    bool dry_run = false;
    /// A dry run on an overlay that is dropped: what waits in journals is replayed there, so that
    /// the plan is the one of the later change. Otherwise a dry run only looks.
    bool replay = false;
    report::Policy policy{};
    /// Asked when the plan is made, with the image open and nothing changed; its error ends it.
    std::function<Status(const report::Report& planned)> approve{};
};

/// Unsupported, before any work, for formats that cannot be rewritten (streamOptimized VMDK).
[[nodiscard]] Status fix(const Context& context, const FixRequest& request, report::Report& report);

} // namespace slipway::ops
