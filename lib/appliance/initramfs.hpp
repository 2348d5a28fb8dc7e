// SPDX-License-Identifier: Apache-2.0
// The root of a QEMU sandbox: the worker, the tools that it may run, libraries, kernel modules.
#pragma once

#include <string>

#include "appliance/kernel.hpp"
#include "sys/fd.hpp"

namespace slipway::appliance {

/// An archive in a memfd with the worker as /init. Of the tools those are in it that this host has.
/// Everything is read with the rights of the caller.
[[nodiscard]] Result<sys::OwnedFd> build_initramfs(const std::string& worker, const Kernel& kernel);

} // namespace slipway::appliance
