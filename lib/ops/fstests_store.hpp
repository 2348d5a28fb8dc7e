// SPDX-License-Identifier: Apache-2.0
// Where runs, durations and baselines are kept.
#pragma once

#include <string>

#include "fstests/check_time.hpp"
#include "ops/fstests.hpp"

namespace slipway::ops {

/// "2026-01-31T12:00:00Z".
[[nodiscard]] std::string utc_now();
/// Makes the directory of a run: `wanted`, which must be new or empty, or a new one below the state
/// directory ($XDG_STATE_HOME/slipway/fstests/runs, for this user alone), which else gets a link to
/// it. Absolute.
[[nodiscard]] Result<std::string> make_run_directory(const std::string& wanted);
/// DIRECTORY/result.json.
[[nodiscard]] Status keep_run(const fstests::Run& run);
/// The same before the first machine, with an error that stays there if the run is killed.
[[nodiscard]] Status keep_begun(const fstests::Run& run);

/// What durations are told apart by: the same name in another directory of tests is another test.
struct Timed {
    std::string suite; ///< canonical path
    std::string fstype;
};
/// Of earlier runs; empty where there are none.
[[nodiscard]] fstests::Durations known_durations(const Timed& timed);
/// Adds these to them.
[[nodiscard]] Status keep_durations(const Timed& timed, const fstests::Durations& new_ones);

} // namespace slipway::ops
