// SPDX-License-Identifier: Apache-2.0
// What is to be loaded, from where; pure.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "boot/commands.hpp"
#include "http/url.hpp"

namespace slipway::boot {

struct LoadRequest {
    std::vector<http::Url> urls; ///< of the same image; the first that has it is taken
    std::string sha256{};        ///< "": see ask_what_to_expect
    Entry entry = Entry::Contained;
    bool insecure = false;       ///< any certificate will do
    std::string persist{};       ///< the label of the disk that keeps what it writes; "": in memory
    bool lazy = false;           ///< enter it before all of it is here
    std::string blocks_sha256{}; ///< of NAME.blocks, where no key is built in; "": unknown
    std::optional<std::chrono::seconds> return_after{};
    std::chrono::seconds deadline{20};
    std::chrono::milliseconds pause{1000}; ///< before a second try
};

/// What a name of an image means, such as "debian.squashfs": it is looked for at `images`, or in
/// images/ of the server that the machine was booted `from`, at the usual port of `slipway netboot
/// serve` where that was by TFTP. What is a URL is that. InvalidArgument.
[[nodiscard]] Result<http::Url> image_address(const std::string& name, const BootOptions& options);

/// Of the command `load`, and of what the kernel's command line says of all loads, and of the image
/// that it names. InvalidArgument; Unsupported.
[[nodiscard]] Result<LoadRequest> read_load(const Command& command, const BootOptions& options);

} // namespace slipway::boot
