// SPDX-License-Identifier: Apache-2.0
// A shell of the initramfs, on one console.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include <poll.h>

#include "boot/consoles.hpp"
#include "sys/process.hpp"

namespace slipway::boot {

class Shell {
public:
    /// On a console that is lent to it meanwhile, in a session of its own; the others keep their
    /// prompts. NotFound: there is no such program.
    [[nodiscard]] static Result<std::unique_ptr<Shell>>
    start(Consoles& consoles, const std::string& console, const std::string& program = "/bin/sh");
    Shell(const Shell&) = delete;
    Shell& operator=(const Shell&) = delete;
    /// Kills what still runs, and takes the console back.
    ~Shell();

    void add_polls(std::vector<pollfd>& polls) const;
    /// After poll.
    [[nodiscard]] bool is_over();

private:
    Shell(Consoles& consoles, std::unique_ptr<sys::Child> child)
        : consoles_(consoles), child_(std::move(child)) {}
    Consoles& consoles_;
    std::unique_ptr<sys::Child> child_;
};

} // namespace slipway::boot
