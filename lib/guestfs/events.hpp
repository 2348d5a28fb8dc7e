// SPDX-License-Identifier: Apache-2.0
// What a handle tells its user while it works.
#pragma once

#include <cstdint>
#include <functional>
#include <mutex>
#include <span>
#include <string_view>
#include <vector>

namespace slipway::guestfs {

/// Bits, with the values of libguestfs. Appliance, LibvirtAuth and Warning never come.
enum class Event : std::uint64_t {
    Close = 0x1,
    SubprocessQuit = 0x2, ///< the worker has died
    LaunchDone = 0x4,
    Progress = 0x8, ///< after two seconds of a call, three times a second
    Appliance = 0x10,
    Library = 0x20, ///< `text` is what set_verbose logs
    Trace = 0x40,   ///< `text` is what set_trace prints: the call, and what it gave
    Enter = 0x80,   ///< `text` is the name of the call
    LibvirtAuth = 0x100,
    Warning = 0x200,
};

/// Called in the thread of the call. It may ask the handle for settings and `user_cancel`, of which
/// nothing is told in turn; what needs the worker is Busy during a call of the worker. `number` is
/// what `add` gave. `array` of Progress is 0, 0, position, total: bytes, or 0 of 1 where the total
/// is unknown.
using EventCallback = std::function<void(Event event, int number, std::string_view text,
                                         std::span<const std::uint64_t> array)>;

/// Who wants to be told. Safe across threads.
class Events {
public:
    int add(EventCallback callback, std::uint64_t mask);
    void remove(int number);
    [[nodiscard]] bool are_wanted(Event event) const;
    void tell(Event event, std::string_view text, std::span<const std::uint64_t> array = {}) const;

private:
    struct Listener {
        int number;
        std::uint64_t mask;
        EventCallback callback;
    };
    mutable std::mutex mutex_;
    std::vector<Listener> listeners_;
    int next_ = 0;
};

} // namespace slipway::guestfs
