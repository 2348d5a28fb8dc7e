// SPDX-License-Identifier: Apache-2.0
// All machines of a run of fstests: several at the same time, one after the other until every test
// has had its turn.
#pragma once

#include <string>
#include <vector>

#include "ops/fstests_machine.hpp"

namespace slipway::ops {

/// The tests of a section, in the order in which they are shown.
struct SectionPlan {
    fstests::Section section; ///< complete
    std::vector<std::string> tests{};
    std::vector<std::string> expunged{};
    fstests::Durations durations{};
};

/// Runs everything `repeat` times; fills tests, machines, kernel_release, machine and error of
/// `run`, whose directory is there. An error: no test of the whole run began; Cancelled.
[[nodiscard]] Status run_shards(const BootMachine& boot, const sys::Host& host,
                                const FstestsRequest& request,
                                const std::vector<SectionPlan>& plans, fstests::Run& run);

} // namespace slipway::ops
