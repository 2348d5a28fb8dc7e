// SPDX-License-Identifier: Apache-2.0
// An image's own kernel instead of the bootstrap's: without return.
//
// The image has no disk that its own initramfs would find, so its kernel gets this bootstrap, with
// the image's modules, and on its command line what to load: the same image, entered natively.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "loading/image.hpp"

namespace slipway::boot {

/// The newest of the kernels in /boot or /usr/lib/modules: the version "6.1.0-56-amd64"; pure.
[[nodiscard]] std::string newest_kernel(const std::vector<std::string>& files_of_boot);
/// Of the kernel that comes: that of this one, with this image to load, and no other.
/// InvalidArgument: it would be longer than kernels take. Pure.
[[nodiscard]] Result<std::string> command_line_for(std::string_view own, const std::string& url,
                                                   const std::string& digest);

/// Loads the image's kernel, with this program as its initramfs. NotFound: the image has none, or
/// its modules lack the driver of a network card here or what images need; Permission: this kernel
/// loads no other one, or not this one. CAP_SYS_BOOT.
[[nodiscard]] Status load_kernel_of(const loading::Entrance& entrance);
/// Goes. Comes back with an error only.
[[nodiscard]] Error start_loaded_kernel();

} // namespace slipway::boot
