// SPDX-License-Identifier: Apache-2.0
#include "enter/enter.hpp"
#include "repair/apply.hpp"

namespace slipway::repair {

RunTool tools_of(const enter::Root& root, const sys::Host& host,
                 std::chrono::milliseconds deadline) {
    return
        [&root, cancel = host.cancel, deadline](const report::Action& action) -> Result<ToolRun> {
            enter::CommandOptions options{
                .quiet = action.quiet, .deadline = deadline, .env = action.env, .cancel = cancel};
            SLIPWAY_TRY(auto captured, root.command_with_mounts(action.argv, options));
            return ToolRun{.status = captured.finished.status,
                           .output = captured.out + captured.err,
                           .timings = captured.finished.timings};
        };
}

} // namespace slipway::repair
