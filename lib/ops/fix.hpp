// SPDX-License-Identifier: Apache-2.0
// fix: the repairs of migrate, in place. After a crash at any moment the image is as before or as
// after.
#pragma once

#include "ops/mend.hpp"

namespace slipway::ops {

struct FixRequest {
    ImageOptions image;
    bool dry_run = false;
    report::Policy policy{};
    std::chrono::milliseconds tool_deadline = default_tool_deadline;
};

/// Unsupported, before any work, for formats that cannot be rewritten (streamOptimized VMDK).
[[nodiscard]] Status fix(const Context& context, const FixRequest& request, report::Report& report);

} // namespace slipway::ops
