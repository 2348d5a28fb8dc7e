// SPDX-License-Identifier: Apache-2.0
#include "boot/shell.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <fmt/format.h>

#include "boot/machine.hpp"

namespace slipway::boot {
namespace {

Result<std::unique_ptr<sys::Child>> start_on(const std::string& terminal,
                                             const std::string& program) {
    SLIPWAY_TRY(auto file, sys::open_file(terminal, O_RDWR | O_NOCTTY));
    sys::LocalRunner runner;
    SLIPWAY_TRY(auto child, runner.start({.argv = {program},
                                          .env = {"TERM=linux", "HOME=/", "PS1=(shell) # "},
                                          .fds = {{file, 0}, {file, 1}, {file, 2}},
                                          .die_with_parent = false,
                                          .new_session = true,
                                          .terminal = true}));
    let_be_killed(child->pid());
    return child;
}

} // namespace

Result<std::unique_ptr<Shell>> Shell::start(Consoles& consoles, const std::string& console,
                                            const std::string& program) {
    if (::access(program.c_str(), X_OK) != 0)
        return fail(Code::NotFound, fmt::format("this initramfs has no shell: {}", program),
                    "`slipway netboot build --with-shell` packs one");
    auto start = [&]() -> Result<std::unique_ptr<sys::Child>> {
        SLIPWAY_TRY(auto lent, consoles.lend(console));
        if (lent.empty())
            return fail(Code::NotFound, fmt::format("there is no console {}", console));
        return start_on(lent[0].terminal.empty() ? "/dev/" + console : lent[0].terminal, program);
    };
    auto child = start();
    if (!child) {
        consoles.take_back();
        return fail(std::move(child.error()));
    }
    return std::unique_ptr<Shell>(new Shell(consoles, std::move(*child)));
}

Shell::~Shell() {
    child_.reset();
    consoles_.take_back();
}

void Shell::add_polls(std::vector<pollfd>& polls) const {
    polls.push_back({child_->exit_fd().raw(), POLLIN, 0});
}

bool Shell::is_over() {
    auto ended = child_->wait(std::chrono::milliseconds(0));
    return !ended || ended->has_value();
}

} // namespace slipway::boot
