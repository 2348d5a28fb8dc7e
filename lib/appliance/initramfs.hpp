// SPDX-License-Identifier: Apache-2.0
// The root of a QEMU sandbox: the worker, the tools that it may run, libraries, kernel modules.
#pragma once

#include <string>

#include "appliance/kernel.hpp"
#include "appliance/tested_kernel.hpp"
#include "sys/fd.hpp"

namespace slipway::appliance {

/// An archive in a memfd with the worker as /init. Of the tools those are in it that this host has.
/// Everything is read with the rights of the caller.
[[nodiscard]] Result<sys::OwnedFd> build_initramfs(const std::string& worker, const Kernel& kernel);

/// The same for a kernel under test: the worker, and of the kernel's modules what shows it the root
/// and the disks of a test.
[[nodiscard]] Result<sys::OwnedFd> build_testbed_initramfs(const std::string& worker,
                                                           const TestedKernel& kernel);

} // namespace slipway::appliance
