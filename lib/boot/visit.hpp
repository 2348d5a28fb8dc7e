// SPDX-License-Identifier: Apache-2.0
// One image from its entry to the return: everything that brings the operator back.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "boot/consoles.hpp"
#include "boot/image.hpp"
#include "boot/machine.hpp"
#include "boot/target.hpp"
#include "boot/traces.hpp"

namespace slipway::boot {

/// What is to be entered.
struct Entrance {
    ImageRoot root;
    std::string init;
    std::string digest; ///< SHA-256 of the image
    std::string url;
    std::optional<std::chrono::seconds> return_after{};
    std::chrono::seconds deadline{20}; ///< for an orderly end, then it is killed
};

class Visit {
public:
    /// Lends the consoles, and starts the image's init.
    [[nodiscard]] static Result<std::unique_ptr<Visit>> start(Entrance entrance,
                                                              Consoles& consoles);
    Visit(const Visit&) = delete;
    Visit& operator=(const Visit&) = delete;
    ~Visit() = default;

    void add_polls(std::vector<pollfd>& polls) const;
    /// After poll: deadlines, the helper in the target, its end.
    void turn(const std::vector<pollfd>& polls);
    /// Asks it to end, and kills it when it has not at its deadline.
    void come_back(const std::string& why);
    [[nodiscard]] bool is_over() const { return end_.has_value(); }
    /// Undoes what is left of it, and tells how it ended and what it left behind. Once, at its end.
    [[nodiscard]] std::string finish(Consoles& consoles);

    [[nodiscard]] const Entrance& entrance() const { return entrance_; }
    [[nodiscard]] std::chrono::seconds age() const;

private:
    using Clock = std::chrono::steady_clock;
    Visit(Entrance entrance, Target target, sys::OwnedFd helper)
        : entrance_(std::move(entrance)), target_(std::move(target)), helper_(std::move(helper)) {}

    Entrance entrance_;
    Target target_;       ///< ends before its root
    sys::OwnedFd helper_; ///< the pipe that /.bootstrap-return writes to
    MachineState before_ = look_at_machine();
    Clock::time_point began_ = Clock::now();
    std::optional<Clock::time_point> asked_{};
    std::string why_{};
    bool was_killed_ = false;
    std::optional<TargetEnd> end_{};
};

} // namespace slipway::boot
