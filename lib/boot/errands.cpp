// SPDX-License-Identifier: Apache-2.0
#include "boot/errands.hpp"

#include <algorithm>

#include <fmt/format.h>
#include <sys/stat.h>

#include "base/strings.hpp"
#include "boot/load_command.hpp"
#include "network/clock.hpp"
#include "network/network.hpp"
#include "sys/mount.hpp"

namespace slipway::boot {

Status Errands::make_directories() const {
    for (const auto& directory : {loader_options_.images, loader_options_.target})
        ::mkdir(directory.c_str(), 0700);
    return sys::mount({.source = "slipway-images",
                       .target = loader_options_.images,
                       .type = "tmpfs",
                       .options = "mode=0700,size=100%"});
}

void Errands::bring_up() {
    work_.start("the network", [this](const Cancel& cancel) {
        auto up = start_network(cancel);
        if (!options_.cache.empty())
            loader_.use_cache(options_.cache, options_.cache_size, cancel);
        if (!up)
            return end({.error = std::move(up.error())});
        end(options_.image_url.empty()
                ? Outcome{}
                : try_load({.name = "load", .arguments = {options_.image_url}}, cancel));
    });
}

void Errands::load(const Command& command, OrderNumber order) {
    work_.start("a load", [this, command, order](const Cancel& cancel) {
        auto outcome = try_load(command, cancel);
        outcome.order = order;
        end(std::move(outcome));
    });
}

void Errands::verify(const std::string& digest, OrderNumber order) {
    work_.start("verifying", [this, digest, order](const Cancel& cancel) {
        Outcome outcome{.order = order};
        if (auto done = loader_.verify(digest, cancel); !done)
            outcome.error = std::move(done.error());
        end(std::move(outcome));
    });
}

std::optional<Errands::Outcome> Errands::take_outcome() {
    std::lock_guard guard(lock_);
    return std::exchange(outcome_, std::nullopt);
}

bool Errands::is_idle() {
    if (!work_.ends_soon())
        return false;
    std::lock_guard guard(lock_);
    return !outcome_;
}

void Errands::set_state(const std::function<void(State&)>& change) {
    if (auto changed = states_.change(change); !changed)
        mailbox_.put("the state: " + render_line(changed.error()));
}

// The last thing that each does: who hears of it may begin the next.
void Errands::end(Outcome outcome) {
    std::lock_guard guard(lock_);
    outcome_ = std::move(outcome);
}

Status Errands::start_network(const Cancel& cancel) {
    SLIPWAY_TRY(auto up, network::bring_up_network(
                             options_.network,
                             [this](const std::string& text) { mailbox_.put(text); }, cancel));
    leases_.keep(up, options_.network);
    mailbox_.put(
        fmt::format("{} has {}", up.link.name, join(network::addresses_of(up.link.name), ", ")));
    if (!options_.ntp.empty())
        time_servers_ = {options_.ntp};
    else
        for (auto server : up.lease.time_servers)
            time_servers_.push_back(network::to_text(server));
    if (!time_servers_.empty())
        see_to_clock(std::nullopt, cancel);
    return {};
}

// Certificates have dates.
void Errands::see_to_clock(const std::optional<http::Url>& url, const Cancel& cancel) {
    if (clock_was_set_)
        return;
    auto done =
        network::set_clock({.servers = time_servers_, .web = url, .not_before = built_}, cancel);
    clock_was_set_ = done.has_value();
    set_state([](State&) {}); // the times in it are others now
    mailbox_.put(done ? *done : "the clock was not set: " + render_line(done.error()));
}

Errands::Outcome Errands::try_load(const Command& command, const Cancel& cancel) {
    set_state([&](State& state) {
        state.phase = Phase::Loading;
        state.image_url = command.arguments.at(0);
        state.image_digest.clear();
    });
    Outcome outcome;
    if (auto prepared = fetch_and_prepare(command, cancel))
        outcome.entrance = std::move(*prepared);
    else
        outcome.error = std::move(prepared.error());
    if (!outcome.entrance)
        set_state([](State& state) { state.phase = Phase::Bootstrap; });
    return outcome;
}

Result<std::optional<loading::Entrance>> Errands::fetch_and_prepare(const Command& command,
                                                                    const Cancel& cancel) {
    SLIPWAY_TRY(auto request, read_load(command, options_));
    auto secure = std::find_if(request.urls.begin(), request.urls.end(),
                               [](const http::Url& url) { return url.secure; });
    if (secure != request.urls.end())
        see_to_clock(*secure, cancel);
    SLIPWAY_TRY(auto image, loader_.fetch(request, cancel));
    set_state([&](State& state) {
        state.image_url = image.url;
        state.image_digest = image.digest;
    });
    if (command.options.contains("fetch-only"))
        return std::nullopt;
    SLIPWAY_TRY(auto entrance, loader_.prepare(request, image, cancel));
    return std::optional(std::move(entrance));
}

} // namespace slipway::boot
