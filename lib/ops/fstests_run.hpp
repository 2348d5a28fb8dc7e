// SPDX-License-Identifier: Apache-2.0
// A run of fstests with machines of any kind, so that it can be tried without one.
#pragma once

#include "ops/fstests_shards.hpp"

namespace slipway::ops {

/// `run_fstests` with `boot` for boot_kernel.
[[nodiscard]] Result<fstests::Run> run_fstests_in(const BootMachine& boot, const sys::Host& host,
                                                  const FstestsRequest& request);

} // namespace slipway::ops
