// SPDX-License-Identifier: Apache-2.0
// The command `load`, and what an image's name means; pure.
#pragma once

#include <string>

#include "boot/commands.hpp"
#include "http/url.hpp"
#include "loading/load_request.hpp"

namespace slipway::boot {

/// What a name of an image means, such as "debian.squashfs": it is looked for at `images`, or in
/// images/ of the server that the machine was booted `from`, at the usual port of `slipway netboot
/// serve` where that was by TFTP. What is a URL is that. InvalidArgument.
[[nodiscard]] Result<http::Url> image_address(const std::string& name, const BootOptions& options);

/// Of the command `load`, and of what the kernel's command line says of all loads, and of the image
/// that it names. InvalidArgument; Unsupported.
[[nodiscard]] Result<loading::LoadRequest> read_load(const Command& command,
                                                     const BootOptions& options);

} // namespace slipway::boot
