// SPDX-License-Identifier: Apache-2.0
// Confinement of child processes: built in the parent, entered in the child without allocation.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include <linux/filter.h>

#include "sys/process.hpp"

namespace slipway::sys {

/// A confinement made ready: `enter` is safe between fork and exec.
class PreparedConfinement {
public:
    /// `fds` are the mappings of the process to be started. Where the kernel has no Landlock the
    /// paths are not enforced, and `landlocked()` says so.
    [[nodiscard]] static Result<PreparedConfinement> prepare(const Confinement& wish,
                                                             std::span<const FdMapping> fds);
    /// `ruleset`: where `ruleset()` is in the child. Returns 0 or an errno. Allocates nothing.
    [[nodiscard]] int enter(int ruleset) const;
    [[nodiscard]] BorrowedFd ruleset() const { return ruleset_; }
    [[nodiscard]] bool landlocked() const { return ruleset_.valid(); }

private:
    OwnedFd ruleset_;
    std::uint64_t keep_capabilities_ = 0;
    std::optional<unsigned> user_;
    struct Limit {
        int resource;
        std::uint64_t value;
    };
    std::vector<Limit> limits_;
    std::vector<sock_filter> filter_;
};

/// Leaves only the capabilities of the mask (bit N is capability N) in every set, bounding and
/// ambient included. Returns 0 or an errno. Allocates nothing.
[[nodiscard]] int keep_only_capabilities(std::uint64_t mask);
/// Landlock ABI version of this kernel, 0 without.
[[nodiscard]] int landlock_abi();

} // namespace slipway::sys
