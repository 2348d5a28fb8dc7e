// SPDX-License-Identifier: Apache-2.0
// How a machine and the server that may command it speak: JSON over HTTPS, the machine asks.
//
// enter     {"key"}                          → {"challenge"}, and the same again with
//           {"key","challenge","signature","machine":{...}}  → {"session","approved"}
// orders    a stream of lines, as long as both live: {"order","command"|"keys"|"screen"},
//           {"approved":true}, and {} now and then
// report    {"state","lines":[...],"answers":[{"order","error","text"}]}
// console   bytes, as they were written to it
// screen    ?order=N: what it shows, of the type that is told
//
// All but `enter` bear the session. Keys are hexadecimal digits: they need not be text.
#pragma once

#include <chrono>
#include <string>
#include <string_view>

namespace slipway::boot {

constexpr std::string_view remote_enter = "/machine/enter", remote_orders = "/machine/orders",
                           remote_report = "/machine/report", remote_console = "/machine/console",
                           remote_screen = "/machine/screen";
/// Between two signs of life, both ways.
constexpr std::chrono::seconds remote_beat{5};

/// The server's certificate in the initramfs. Without it the server is checked like any other.
constexpr auto server_certificate = "/etc/slipway/server.pem";

/// What a machine signs to show that the key is its own.
[[nodiscard]] inline std::string challenge_text(const std::string& challenge) {
    return "slipway netboot: a machine enters with " + challenge;
}

} // namespace slipway::boot
