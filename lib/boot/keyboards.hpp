// SPDX-License-Identifier: Apache-2.0
// Every keyboard of the machine, also those that are plugged in later, for one hotkey.
#pragma once

#include <map>
#include <string>
#include <vector>

#include <poll.h>

#include "boot/triggers.hpp"
#include "sys/fd.hpp"

namespace slipway::boot {

/// Reads beside whoever else reads them: nothing is taken away from the system that runs.
class Keyboards {
public:
    explicit Keyboards(std::string directory = "/dev/input") : directory_(std::move(directory)) {}
    /// Opens those that are there, and watches for others.
    void open();
    void add_polls(std::vector<pollfd>& polls) const;
    /// After poll: whether Ctrl+Alt+F12 was pressed.
    [[nodiscard]] bool was_pressed(const std::vector<pollfd>& polls);
    [[nodiscard]] std::size_t count() const { return devices_.size(); }

private:
    void add(const std::string& name);
    std::string directory_;
    std::map<int, std::pair<std::string, sys::OwnedFd>> devices_; ///< by descriptor
    sys::OwnedFd watch_;
    Hotkey hotkey_;
};

} // namespace slipway::boot
