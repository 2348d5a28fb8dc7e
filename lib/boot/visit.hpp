// SPDX-License-Identifier: Apache-2.0
// One image from its entry to the return: everything that brings the operator back.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/units.hpp"
#include "boot/consoles.hpp"
#include "boot/first_process.hpp"
#include "boot/leaks.hpp"
#include "boot/machine.hpp"
#include "boot/target.hpp"
#include "boot/traces.hpp"
#include "loading/image.hpp"

namespace slipway::boot {

class Visit {
public:
    /// Lends the consoles, and starts the image's init.
    [[nodiscard]] static Result<std::unique_ptr<Visit>>
    start(loading::Entrance entrance, Consoles& consoles, FirstProcess& first);
    Visit(const Visit&) = delete;
    Visit& operator=(const Visit&) = delete;
    ~Visit() = default;

    void add_polls(std::vector<pollfd>& polls) const;
    /// After poll: deadlines, the helper in the target, its end.
    void turn(const std::vector<pollfd>& polls);
    /// Asks it to end, and kills it, if it can be killed, when it has not at its deadline.
    void come_back(const std::string& why);
    [[nodiscard]] bool is_over() const { return end_.has_value(); }
    /// It should have ended: why it has not, for people. "" otherwise.
    [[nodiscard]] std::string stuck() const { return end_ ? "" : stuck_; }
    struct Ended {
        std::string how;  ///< "back after 12 s: it has switched itself off", and what is there now
        std::string left; ///< what it left behind, in lines; "" for nothing
    };
    /// Undoes what is left of it. Once, at its end.
    [[nodiscard]] Ended finish(Consoles& consoles);

    [[nodiscard]] const loading::Entrance& entrance() const { return entrance_; }
    [[nodiscard]] pid_t pid() const { return target_->pid(); }
    [[nodiscard]] std::chrono::seconds age() const;

private:
    void end_it(Clock::time_point now);
    /// What the kernel had before it.
    struct Before {
        MachineState machine = look_at_machine();
        Holdings holdings = look_at_holdings();
    };
    Visit(loading::Entrance entrance, std::unique_ptr<RunningSystem> target, sys::OwnedFd helper,
          Before before)
        : entrance_(std::move(entrance)), target_(std::move(target)), helper_(std::move(helper)),
          before_(std::move(before)) {}

    loading::Entrance entrance_;
    std::unique_ptr<RunningSystem> target_; ///< ends before its root
    sys::OwnedFd helper_;                   ///< the pipe that /.bootstrap-return writes to
    Before before_;
    Clock::time_point began_ = Clock::now();
    std::optional<Clock::time_point> asked_{};
    std::string why_{};
    std::optional<Clock::time_point> killed_{}, released_{};
    std::string stuck_{};
    std::optional<TargetEnd> end_{};
};

} // namespace slipway::boot
