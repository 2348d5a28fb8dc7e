// SPDX-License-Identifier: Apache-2.0
#include "mcp/tools.hpp"

namespace slipway::mcp {

Tools all_tools(Jobs& jobs) {
    Tools tools;
    add_guest_tools(tools);
    add_fix_tools(tools);
    add_root_tools(tools);
    add_kernel_tools(tools);
    add_fstests_tools(tools);
    add_baseline_tools(tools);
    add_job_tools(tools, jobs);
    return tools;
}

} // namespace slipway::mcp
