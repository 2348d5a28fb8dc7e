// SPDX-License-Identifier: Apache-2.0
// The console of a machine far away.
#include <thread>

#include <poll.h>
#include <unistd.h>

#include "cmd_netboot.hpp"
#include "raw_terminal.hpp"

namespace slipway::app {
namespace {

constexpr char leave_key = 0x1d; // Ctrl-], as telnet and virsh have it

// What is typed, until the key that leaves, or the end of the input where it is no terminal.
void type_all(Invocation& invocation, const MachineOptions& options, const Cancel& over,
              Status& failed) {
    auto in = invocation.terminal.in();
    bool is_terminal = invocation.terminal.in_is_terminal();
    char bytes[4096];
    while (!over.requested()) {
        pollfd ready{in.raw(), POLLIN, 0};
        if (::poll(&ready, 1, 200) <= 0)
            continue;
        auto got = ::read(in.raw(), bytes, sizeof bytes);
        if (got <= 0)
            break;
        std::string_view keys{bytes, static_cast<std::size_t>(got)};
        auto leave = is_terminal ? keys.find(leave_key) : std::string_view::npos;
        keys = keys.substr(0, leave);
        if (!keys.empty())
            failed = ops::type_at_netboot_console(options.as, options.machine, keys, over);
        if (leave != std::string_view::npos || !failed)
            return over.request();
    }
    if (is_terminal)
        over.request();
}

} // namespace

Result<int> attend_netboot_console(Invocation& invocation, const MachineOptions& options) {
    SLIPWAY_TRY(auto context, invocation.context());
    Cancel over([&] { return context.host.cancel.requested(); });
    Status failed;
    std::optional<RawTerminal> raw;
    std::thread typing;
    if (!options.once) {
        if (invocation.terminal.in_is_terminal()) {
            invocation.terminal.say("Ctrl-] leaves the console");
            raw.emplace(invocation.terminal.in());
        }
        typing = std::thread([&] { type_all(invocation, options, over, failed); });
    }
    auto watched = ops::watch_netboot_console(
        options.as, options.machine,
        [&](std::string_view bytes) { return invocation.terminal.out(bytes); }, options.once, over);
    over.request();
    if (typing.joinable())
        typing.join();
    raw.reset();
    SLIPWAY_CHECK(failed);
    if (!watched && watched.error().code != Code::Cancelled)
        return fail(std::move(watched.error()));
    return 0;
}

} // namespace slipway::app
