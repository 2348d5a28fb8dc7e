// SPDX-License-Identifier: Apache-2.0
#include "network/leases.hpp"

#include <algorithm>
#include <tuple>
#include <utility>

#include <fmt/format.h>

#include "base/strings.hpp"

namespace slipway::network {
namespace {

using std::chrono::seconds;

constexpr seconds shortest_wait{10}; // between two tries, whatever a server says
constexpr seconds between_looks{1};  // for the end of an image's system, and of this program
constexpr seconds for_an_answer{5};  // of a renewal
constexpr seconds for_a_router{10};  // some answer late, and switches take their time

} // namespace

// Half of what is left until the next stage: an answer that is lost does not cost the address.
void Lease::plan(Clock::time_point now) {
    auto wait = [&](std::uint32_t stage) {
        return now + std::max<Clock::duration>((at(stage) - now) / 2, shortest_wait);
    };
    if (now < at(times_.renew))
        next_ = at(times_.renew);
    else if (now < at(times_.rebind))
        next_ = std::min(wait(times_.rebind), std::max(at(times_.rebind), now + shortest_wait));
    else
        next_ = std::min(wait(times_.end), std::max(at(times_.end), now + shortest_wait));
}

Leases::~Leases() {
    cancel_.request();
    changed_.notify_all();
    if (thread_.joinable())
        thread_.join();
}

void Leases::keep(Network network, NetworkOptions options) {
    if (thread_.joinable())
        return;
    network_ = std::move(network);
    options_ = std::move(options);
    if (network_.lease.server != 0)
        four_.emplace(network_.lease);
    if (network_.six && network_.six->lease && network_.six->lease->address)
        six_.emplace(*network_.six->lease);
    thread_ = std::thread([this] { run(); });
}

void Leases::hold(bool on) {
    std::lock_guard guard(lock_);
    is_held_ = on;
}

bool Leases::is_held() const {
    std::lock_guard guard(lock_);
    return is_held_;
}

bool Leases::has(const std::string& address) const {
    auto all = addresses_of(network_.link.name);
    return std::any_of(all.begin(), all.end(),
                       [&](const std::string& each) { return each.starts_with(address + "/"); });
}

DhcpOptions Leases::asking(seconds limit) const {
    DhcpOptions options{.limit = limit};
    if (options_.debug)
        options.told = say_;
    return options;
}

void Leases::tell_addresses() {
    if (auto written = write_resolv_conf(options_, network_); !written)
        say_(render_line(written.error()));
    say_(
        fmt::format("{} has {}", network_.link.name, join(addresses_of(network_.link.name), ", ")));
}

void Leases::run() {
    bool was_held = false, six_is_asked = network_.six.has_value();
    while (!cancel_.requested()) {
        auto held = is_held();
        if (!six_is_asked && !held) {
            six_is_asked = true;
            begin_six();
        }
        if (was_held && !held)
            after_image();
        was_held = held;
        auto now = Clock::now();
        if (four_ && now >= four_->next())
            attend_four(now);
        if (six_ && now >= six_->next())
            attend_six(now);
        std::unique_lock guard(lock_);
        changed_.wait_for(guard, between_looks);
    }
}

// A network without routers has no IPv6, which is no fault.
void Leases::begin_six() {
    auto got = bring_up_network6(network_.link, asking(for_a_router), cancel_);
    if (!got) {
        if (got.error().code != Code::Timeout || options_.debug)
            say_(render_line(got.error()));
        return;
    }
    network_.six = std::move(*got);
    if (network_.six->lease && network_.six->lease->address)
        six_.emplace(*network_.six->lease);
    tell_addresses();
}

// What was set while it ran may have been taken for its own.
void Leases::after_image() {
    if (six_ && !has(to_text(*network_.six->lease->address)))
        std::ignore = set_address6(network_.link, *network_.six->lease->address);
}

void Leases::attend_four(Clock::time_point now) {
    auto& lease = network_.lease;
    auto is_over = four_->is_over(now);
    four_->plan_another(now);
    if (is_over && is_held())
        return;
    if (is_over) {
        if (auto got = ask_for_address(network_.link, asking(for_an_answer), cancel_)) {
            lease = std::move(*got);
            four_.emplace(lease);
            is_told_ = false;
            if (auto applied = apply_lease(network_.link, lease); !applied)
                say_(render_line(applied.error()));
            return tell_addresses();
        }
        if (!std::exchange(is_told_, true))
            say_(fmt::format("the address {} of {} has run out, and no DHCP server gives another "
                             "one: it is kept until one does",
                             to_text(lease.address), network_.link.name));
        return;
    }
    if (!has(to_text(lease.address)))
        return; // of somebody else's making: it is put back after an image's system
    auto asked = lease;
    if (four_->asks_all(now))
        asked.server = ~Address4{0};
    auto got = renew_address(network_.link, asked, asking(for_an_answer), cancel_);
    if (got && got->address == lease.address) {
        lease = std::move(*got);
        four_.emplace(lease);
    } else if (!got && got.error().code == Code::Busy) {
        say_(render_line(got.error()));
        four_.emplace(Lease::Times{}, now); // at once, or after the image's system
    }
}

void Leases::attend_six(Clock::time_point now) {
    auto& lease = *network_.six->lease;
    auto is_over = six_->is_over(now);
    six_->plan_another(now);
    if (is_over && is_held())
        return;
    auto got = is_over ? ask_for_address6(network_.link, asking(for_an_answer), cancel_)
                       : renew_address6(network_.link, lease, six_->asks_all(now),
                                        asking(for_an_answer), cancel_);
    if (!got && got.error().code == Code::NotFound && !is_over)
        six_.emplace(Lease::Times{}, now);
    if (!got)
        return;
    bool is_new = got->address != lease.address;
    if (is_new && is_held())
        return;
    if (is_new)
        std::ignore = set_address6(network_.link, *lease.address, false);
    lease = std::move(*got);
    six_.emplace(lease);
    if (is_new) {
        std::ignore = set_address6(network_.link, *lease.address);
        tell_addresses();
    }
}

} // namespace slipway::network
