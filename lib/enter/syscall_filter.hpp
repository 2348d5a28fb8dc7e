// SPDX-License-Identifier: Apache-2.0
// The system calls that a guest's command is refused.
#pragma once

#include <string_view>
#include <vector>

#include <linux/filter.h>

#include "base/error.hpp"

namespace slipway::enter {

struct FilterOptions {
    /// Refuse mknod of block devices altogether: for kernels without a device cgroup.
    bool deny_block_nodes = false;
};

/// The filter as a program for seccomp(2), for the native architecture and those that its kernel
/// also runs (i386 and x32 on x86-64). Unsupported where libseccomp does not know this kernel's.
[[nodiscard]] Result<std::vector<sock_filter>> build_syscall_filter(const FilterOptions& options);

/// Capabilities that remain, bit N for capability N (capabilities(7)). All others go, those that
/// are yet to be invented included.
[[nodiscard]] std::uint64_t kept_capabilities();

} // namespace slipway::enter
