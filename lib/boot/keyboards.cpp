// SPDX-License-Identifier: Apache-2.0
#include "boot/keyboards.hpp"

#include <algorithm>
#include <array>

#include <fcntl.h>
#include <linux/input.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "boot/device_node.hpp"
#include "boot/polls.hpp"
#include "sys/tree_walk.hpp"

namespace slipway::boot {

void Keyboards::open() {
    watch_ = sys::OwnedFd(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
    ::mkdir(directory_.c_str(), 0755); // the kernel makes it with its first device
    // With its attributes: a device appears before its mode is set.
    ::inotify_add_watch(watch_.raw(), directory_.c_str(), IN_CREATE | IN_ATTRIB);
    for (const auto& name : sys::names_in(directory_))
        add(name);
}

Result<sys::OwnedFd> Keyboards::open_input(const std::string& path) {
    return open_device(path, DeviceMajor::Input, O_RDONLY | O_NONBLOCK);
}

void Keyboards::add(const std::string& name) {
    bool known = std::any_of(devices_.begin(), devices_.end(),
                             [&](const auto& device) { return device.second.first == name; });
    if (known || !name.starts_with("event"))
        return;
    auto opened = open_(directory_ + "/" + name);
    if (!opened)
        return;
    auto number = opened->raw();
    devices_.emplace(number, std::pair(name, std::move(*opened)));
}

void Keyboards::add_polls(std::vector<pollfd>& polls) const {
    if (watch_.valid())
        polls.push_back({watch_.raw(), POLLIN, 0});
    for (const auto& [number, device] : devices_)
        polls.push_back({number, POLLIN, 0});
}

bool Keyboards::was_pressed(const std::vector<pollfd>& polls) {
    bool pressed = false;
    std::vector<int> gone;
    for (const auto& [number, device] : devices_) {
        if (!is_ready(polls, number))
            continue;
        std::array<input_event, 64> events{};
        auto got = ::read(number, events.data(), sizeof events);
        if (got <= 0 && errno != EAGAIN)
            gone.push_back(number);
        for (std::size_t at = 0; got > 0 && at < static_cast<std::size_t>(got) / sizeof events[0];
             ++at)
            pressed =
                hotkey_.feed(number, events.at(at).type, events.at(at).code, events.at(at).value) ||
                pressed;
    }
    for (int number : gone) {
        hotkey_.forget(number);
        devices_.erase(number);
    }
    if (!watch_.valid() || !is_ready(polls, watch_.raw()))
        return pressed;
    alignas(inotify_event) std::array<char, 4096> bytes{};
    auto got = ::read(watch_.raw(), bytes.data(), bytes.size());
    for (ssize_t at = 0; at < got;) {
        const auto* event = reinterpret_cast<const inotify_event*>(bytes.data() + at);
        if (event->len > 0)
            add(event->name);
        at += static_cast<ssize_t>(sizeof *event + event->len);
    }
    return pressed;
}

} // namespace slipway::boot
