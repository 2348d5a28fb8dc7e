// SPDX-License-Identifier: Apache-2.0
#include "boot/state.hpp"

#include <ctime>
#include <map>

#include <fmt/format.h>

#include "base/json.hpp"
#include "base/strings.hpp"
#include "base/units.hpp"
#include "sys/directories.hpp"
#include "sys/root_dir.hpp"

namespace slipway::boot {

std::string_view name_of(Phase phase) {
    switch (phase) {
    case Phase::Bootstrap:
        return "bootstrap";
    case Phase::Loading:
        return "loading";
    case Phase::Target:
        return "target";
    }
    return "";
}

std::string render_state(const State& state) {
    return render_json_pretty(Json{{"schema", "slipway.bootstrap.v1"},
                                   {"phase", name_of(state.phase)},
                                   {"since", state.boot_time + state.since},
                                   {"boot_time", state.boot_time},
                                   {"image_url", state.image_url},
                                   {"image_digest", state.image_digest},
                                   {"target_pid", state.target_pid},
                                   {"entries", state.entries},
                                   {"returns", state.returns},
                                   {"last_leaks", state.last_leaks}}) +
           "\n";
}

std::string render_status(const State& state, std::int64_t uptime) {
    auto text =
        fmt::format("phase      {}, for {}; the machine runs for {}\n", name_of(state.phase),
                    format_seconds(static_cast<double>(uptime - state.since)),
                    format_seconds(static_cast<double>(uptime)));
    if (!state.image_url.empty())
        text += fmt::format("image      {}\n", printable(state.image_url));
    if (!state.image_digest.empty())
        text += fmt::format("digest     {}\n", state.image_digest);
    text += fmt::format("entered    {} images, came back {} times\n", state.entries, state.returns);
    if (!state.last_leaks.empty())
        text += fmt::format("left       {}\n",
                            replace_all(std::string(trim(state.last_leaks)), "\n", "; "));
    return text + fmt::format("time       {}\n", format_utc(state.boot_time + uptime));
}

Status StateFiles::change(const std::function<void(State&)>& change) {
    std::lock_guard guard(lock_);
    auto phase = state_.phase;
    change(state_);
    auto uptime = machine_uptime();
    state_.boot_time = std::time(nullptr) - uptime;
    if (state_.phase != phase)
        state_.since = uptime;
    for (const auto& directory : {places_.json, places_.plain})
        SLIPWAY_CHECK(sys::make_directories(directory));
    SLIPWAY_TRY(auto json, sys::RootDir::open(places_.json));
    SLIPWAY_CHECK(json.write_atomic(sys::GuestPath("/state.json"), render_state(state_)));
    SLIPWAY_TRY(auto plain, sys::RootDir::open(places_.plain));
    // Two phases are all that the specification of these has.
    bool in_target = state_.phase == Phase::Target;
    for (const auto& [name, value] : std::map<std::string, std::string>{
             {"current_phase", in_target ? "target" : "bootstrap"},
             {"pid_in_target", in_target ? fmt::to_string(state_.target_pid) : ""},
             {"last_image_url", state_.image_url},
             {"boot_time", fmt::to_string(state_.boot_time)}})
        SLIPWAY_CHECK(plain.write_atomic(sys::GuestPath("/" + name), value + "\n"));
    return {};
}

State StateFiles::state() const {
    std::lock_guard guard(lock_);
    return state_;
}

std::int64_t machine_uptime() {
    timespec now{};
    ::clock_gettime(CLOCK_BOOTTIME, &now);
    return now.tv_sec;
}

} // namespace slipway::boot
