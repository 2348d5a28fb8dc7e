// SPDX-License-Identifier: Apache-2.0
// A server over two descriptors, as the stdio transport has it.
#pragma once

#include "mcp/job.hpp"
#include "mcp/tool.hpp"
#include "sys/fd.hpp"

namespace slipway::mcp {

struct ServeOptions {
    sys::BorrowedFd in{0};
    sys::BorrowedFd out{1}; ///< gets nothing but messages
    Log log{};              ///< which jobs begin and end, at level Debug
    Cancel cancel{};
    Jobs::Limits jobs{};
    std::chrono::milliseconds stop_limit{std::chrono::seconds(30)}; ///< for jobs at the end
};

/// Serves until the end of `in`; then, or when the peer reads no more, all jobs are stopped, and
/// when it returns nothing of them is left. Cancelled after a request to stop. Timeout where a job
/// did not stop: see Jobs::stop.
[[nodiscard]] Status serve(const ServeOptions& options, const std::function<Tools(Jobs&)>& tools);

} // namespace slipway::mcp
