// SPDX-License-Identifier: Apache-2.0
// What the kernel's command line asks of the bootstrap; pure.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "loading/load_request.hpp"
#include "network/network.hpp"

namespace slipway::boot {

struct Parameter {
    std::string name;
    std::optional<std::string> value{}; ///< none: the name stands alone
};

/// As the kernel splits it: quotes keep blanks together, and are dropped. What follows "--" is for
/// init, and comes too.
[[nodiscard]] std::vector<Parameter> parse_command_line(std::string_view text);

struct BootOptions {
    std::string image_url{};             ///< image_url=; "": to the prompt
    std::vector<std::string> mirrors{};  ///< slipway.mirror=, may be given again
    std::string image_sha256{};          ///< image_sha256=, 64 digits in lower case
    std::string images{};                ///< slipway.images=URL, where `load NAME` looks
    std::string from{};                  ///< slipway.from=URL, where boot loaders came from
    bool debug = false;                  ///< bootstrap_debug
    std::vector<std::string> consoles{}; ///< "tty0", "ttyS0": all of console=
    loading::Entry entry = loading::Entry::Contained; ///< slipway.entry=
    std::string persist{};                            ///< slipway.persist=LABEL
    std::string cache{};                              ///< slipway.cache=LABEL; "": in memory
    std::string server{};                             ///< slipway.server=URL, for remote control
    /// slipway.ip=ADDRESS/BITS, slipway.gateway=, slipway.dns= (may be given again),
    /// slipway.interface=NAME or MAC
    network::NetworkOptions network{};
    std::string ntp{};     ///< slipway.ntp=
    bool insecure = false; ///< slipway.insecure: no certificates are checked
    bool lazy = false;     ///< slipway.lazy: images are entered before all of them is here
    std::optional<std::chrono::seconds> return_after{}; ///< slipway.return_after=
    std::chrono::seconds deadline{20};                  ///< slipway.deadline=, for an orderly end
    /// slipway.cache_size=, bytes of all images there; none: a tenth of the disk stays free
    std::optional<std::uint64_t> cache_size{};
    /// What was not understood, for whoever stands at the prompt.
    std::vector<std::string> complaints{};
};

[[nodiscard]] BootOptions read_boot_options(std::string_view command_line);

} // namespace slipway::boot
