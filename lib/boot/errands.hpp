// SPDX-License-Identifier: Apache-2.0
// What takes its time, beside the prompt: the network, the clock, loads. One at a time.
#pragma once

#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "boot/background.hpp"
#include "boot/commands.hpp"
#include "boot/modules.hpp"
#include "boot/options.hpp"
#include "boot/state.hpp"
#include "loading/loader.hpp"
#include "network/leases.hpp"
#include "network/ntp_message.hpp"

namespace slipway::boot {

/// Whoever gave an order, and waits for its outcome: 0 is nobody but those at the consoles.
using OrderNumber = std::uint64_t;

class Errands {
public:
    /// All of them outlive it.
    Errands(const BootOptions& options, StateFiles& states, Mailbox& mailbox,
            network::WallTime built)
        : options_(options), states_(states), mailbox_(mailbox), built_(built) {}

    /// Directories for images, on a filesystem of their own: /run has half of the memory, and
    /// images may need more.
    [[nodiscard]] Status make_directories() const;
    /// The network, then the clock, then the image of the kernel's command line.
    void bring_up();
    void load(const Command& command, OrderNumber order);
    void verify(const std::string& digest, OrderNumber order);

    /// What one has come to.
    struct Outcome {
        OrderNumber order = 0;
        std::optional<loading::Entrance> entrance{}; ///< to be entered now
        std::optional<Error> error{};                ///< for whoever waits, and for the consoles
    };
    /// Once for each; its work may end a moment later.
    [[nodiscard]] std::optional<Outcome> take_outcome();

    /// See Leases::hold.
    void hold_network(bool on) { leases_.hold(on); }

    /// Whether nothing is under way, nor waits to be entered.
    [[nodiscard]] bool is_idle();
    [[nodiscard]] bool is_running() const { return work_.is_running(); }
    [[nodiscard]] const std::string& name() const { return work_.name(); }
    void stop() const { work_.stop(); }
    [[nodiscard]] std::vector<loading::StoredImage> images() const { return loader_.list(); }

private:
    void set_state(const std::function<void(State&)>& change);
    void end(Outcome outcome);
    Status start_network(const Cancel& cancel);
    void see_to_clock(const std::optional<http::Url>& url, const Cancel& cancel);
    Outcome try_load(const Command& command, const Cancel& cancel);
    Result<std::optional<loading::Entrance>> fetch_and_prepare(const Command& command,
                                                               const Cancel& cancel);

    const BootOptions& options_;
    StateFiles& states_;
    Mailbox& mailbox_;
    network::WallTime built_;
    std::vector<std::string> time_servers_; ///< of the background
    bool clock_was_set_ = false;            ///< of the background
    // In a thread of its own, and so with indexes of its own.
    loading::LoaderOptions loader_options_{
        .load_module = [](std::string_view name) { return ModuleLoader::open().load(name); },
        .look_for_devices = [] { std::ignore = ModuleLoader::open().load_for_devices(); },
        .say = [this](const std::string& text) { mailbox_.put(text); },
        .say_passing = [this](const std::string& text) { mailbox_.put(text, true); }};
    loading::Loader loader_{loader_options_};
    network::Leases leases_{loader_options_.say};
    std::mutex lock_;
    std::optional<Outcome> outcome_;
    Background work_; ///< ends first
};

} // namespace slipway::boot
