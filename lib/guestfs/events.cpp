// SPDX-License-Identifier: Apache-2.0
#include "guestfs/events.hpp"

#include <utility>

#include "base/set_for_now.hpp"

namespace slipway::guestfs {
int Events::add(EventCallback callback, std::uint64_t mask) {
    std::lock_guard guard(mutex_);
    listeners_.push_back({next_, mask, std::move(callback)});
    return next_++;
}

void Events::remove(int number) {
    std::lock_guard guard(mutex_);
    std::erase_if(listeners_, [number](const auto& each) { return each.number == number; });
}

bool Events::are_wanted(Event event) const {
    std::lock_guard guard(mutex_);
    for (const auto& each : listeners_)
        if ((each.mask & static_cast<std::uint64_t>(event)) != 0)
            return true;
    return false;
}

void Events::tell(Event event, std::string_view text, std::span<const std::uint64_t> array) const {
    // What a callback calls would tell of itself without end.
    thread_local const Events* telling = nullptr;
    if (telling == this)
        return;
    SetForNow<const Events*> now(telling, this);
    std::vector<Listener> listeners;
    {
        std::lock_guard guard(mutex_); // not while they run: a callback may remove itself
        listeners = listeners_;
    }
    for (const auto& each : listeners)
        if ((each.mask & static_cast<std::uint64_t>(event)) != 0)
            each.callback(event, each.number, text, array);
}

} // namespace slipway::guestfs
