// SPDX-License-Identifier: Apache-2.0
// Every keyboard of the machine, also those that are plugged in later, for one hotkey.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include <poll.h>

#include "base/error.hpp"
#include "boot/triggers.hpp"
#include "sys/fd.hpp"

namespace slipway::boot {

/// Reads beside whoever else reads them: nothing is taken away from the system that runs.
class Keyboards {
public:
    using Open = std::function<Result<sys::OwnedFd>(const std::string& path)>;
    /// `open`: another one for tests.
    explicit Keyboards(std::string directory = "/dev/input", Open open = open_input)
        : directory_(std::move(directory)), open_(std::move(open)) {}
    /// Opens those that are there, and watches for others.
    void open();
    void add_polls(std::vector<pollfd>& polls) const;
    /// After poll: whether Ctrl+Alt+F12 was pressed.
    [[nodiscard]] bool was_pressed(const std::vector<pollfd>& polls);
    [[nodiscard]] std::size_t count() const { return devices_.size(); }

private:
    static Result<sys::OwnedFd> open_input(const std::string& path);
    void add(const std::string& name);
    std::string directory_;
    Open open_;
    std::map<int, std::pair<std::string, sys::OwnedFd>> devices_; ///< by descriptor
    sys::OwnedFd watch_;
    Hotkey hotkey_;
};

} // namespace slipway::boot
