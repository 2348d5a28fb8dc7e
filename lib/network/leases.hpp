// SPDX-License-Identifier: Apache-2.0
// Keeps what a network has given to this machine, for as long as the machine is on.
#pragma once

#include <condition_variable>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "base/cancel.hpp"
#include "base/units.hpp"
#include "network/network.hpp"

namespace slipway::network {

/// When something that was given for a while is to be asked for again (RFC 2131 4.4.5, RFC 8415
/// 14.2); pure.
class Lease {
public:
    /// Seconds after `given`.
    struct Times {
        std::uint32_t renew = 0, rebind = 0, end = 0;
    };
    Lease(Times times, Clock::time_point given) : times_(times), given_(given) { plan(given); }
    explicit Lease(const DhcpReply& reply, Clock::time_point given = Clock::now())
        : Lease({reply.renew_after, reply.rebind_after, reply.lease}, given) {}
    explicit Lease(const Dhcp6Reply& reply, Clock::time_point given = Clock::now())
        : Lease({reply.renew_after, reply.rebind_after, reply.lease}, given) {}

    [[nodiscard]] Clock::time_point next() const { return next_; }
    [[nodiscard]] bool is_over(Clock::time_point now) const { return now >= at(times_.end); }
    /// Of all servers, since the one that gave it does not answer.
    [[nodiscard]] bool asks_all(Clock::time_point now) const { return now >= at(times_.rebind); }
    /// It was asked for at that time, in vain.
    void plan_another(Clock::time_point now) { plan(now); }

private:
    [[nodiscard]] Clock::time_point at(std::uint32_t seconds) const {
        return given_ + std::chrono::seconds(seconds);
    }
    void plan(Clock::time_point now);
    Times times_;
    Clock::time_point given_, next_{};
};

/// In a thread of its own: asks routers for IPv6 addresses, and again for all that ends. An address
/// that somebody else has taken off its interface is left alone.
class Leases {
public:
    /// `say`: what an operator should know; called in that thread.
    explicit Leases(std::function<void(const std::string&)> say) : say_(std::move(say)) {}
    Leases(const Leases&) = delete;
    Leases& operator=(const Leases&) = delete;
    ~Leases();

    /// Once.
    void keep(Network network, NetworkOptions options);
    /// While an image's system runs, leases are renewed, and nothing else is changed: a lost
    /// address is asked for anew after it.
    void hold(bool on);

private:
    void run();
    void after_image();
    void attend_four(Clock::time_point now);
    void attend_six(Clock::time_point now);
    void begin_six();
    void tell_addresses();
    [[nodiscard]] bool is_held() const;
    [[nodiscard]] bool has(const std::string& address) const;
    [[nodiscard]] DhcpOptions asking(std::chrono::seconds limit) const;

    std::function<void(const std::string&)> say_;
    Network network_{};
    NetworkOptions options_{};
    std::optional<Lease> four_{}, six_{};
    bool is_told_ = false; ///< that an address has run out
    mutable std::mutex lock_;
    std::condition_variable changed_;
    bool is_held_ = false;
    Cancel cancel_;
    std::thread thread_; ///< ends first
};

} // namespace slipway::network
