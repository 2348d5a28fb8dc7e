// SPDX-License-Identifier: Apache-2.0
// What the bootstrap is doing, in files for whoever asks.
#pragma once

#include <cstdint>
#include <functional>
#include <mutex>
#include <string>
#include <string_view>

#include "base/error.hpp"

namespace slipway::boot {

enum class Phase { Bootstrap, Loading, Target };
[[nodiscard]] std::string_view name_of(Phase phase);

struct State {
    Phase phase = Phase::Bootstrap;
    std::int64_t since = 0;     ///< of the phase; seconds after the machine's start
    std::int64_t boot_time = 0; ///< the machine's start; seconds since 1970, as the clock is now
    std::string image_url{};    ///< the last one that was loaded, or is
    std::string image_digest{};
    std::int64_t target_pid = 0; ///< as the bootstrap sees it; 0: none runs
    unsigned entries = 0, returns = 0;
    std::string last_leaks{}; ///< what the last target left behind, for people
};

/// "slipway.bootstrap.v1"; pure.
[[nodiscard]] std::string render_state(const State& state);
/// Lines for people; pure. `uptime`: seconds after the machine's start.
[[nodiscard]] std::string render_status(const State& state, std::int64_t uptime);

struct StatePlaces {
    std::string json = "/run/slipway"; ///< state.json
    std::string plain =
        "/run/bootstrap"; ///< current_phase, pid_in_target, last_image_url, boot_time
};

/// Each file is whole at any time. For several threads.
class StateFiles {
public:
    explicit StateFiles(StatePlaces places = {}) : places_(std::move(places)) {}
    /// Changes it, and writes it. The times are filled in: `since` where the phase is another.
    [[nodiscard]] Status change(const std::function<void(State&)>& change);
    [[nodiscard]] State state() const;

private:
    StatePlaces places_;
    mutable std::mutex lock_;
    State state_{};
};

/// Seconds after the machine's start, sleep included.
[[nodiscard]] std::int64_t machine_uptime();

} // namespace slipway::boot
