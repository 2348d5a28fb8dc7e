// SPDX-License-Identifier: Apache-2.0
// All tools, by their topics: one file each.
#pragma once

#include "mcp/tool.hpp"

namespace slipway::mcp {

/// The tools of a server; they refer to `jobs`.
[[nodiscard]] Tools all_tools(Jobs& jobs);

void add_job_tools(Tools& tools, Jobs& jobs);
void add_guest_tools(Tools& tools);
void add_fix_tools(Tools& tools);
void add_root_tools(Tools& tools);
void add_kernel_tools(Tools& tools);
void add_fstests_tools(Tools& tools);
void add_baseline_tools(Tools& tools);

} // namespace slipway::mcp
