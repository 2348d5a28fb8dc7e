// SPDX-License-Identifier: Apache-2.0
// The kernels of a guest, each with its initramfs and modules.
#pragma once

#include <string>
#include <vector>

#include "guest/files.hpp"
#include "report/inventory.hpp"

namespace slipway::guest {

/// Kernels of /boot (vmlinuz-V, vmlinux-V, kernel-V; Arch's vmlinuz-PKGBASE by
/// /lib/modules/V/pkgbase; Alpine's vmlinuz-FLAVOUR by /lib/modules/V-FLAVOUR) and of boot loader
/// entries that name others (/boot/MACHINE-ID/V/linux). Newest first, rescue kernels last; at most
/// 128. Findings: kernel-without-initramfs, kernel-without-modules.
[[nodiscard]] std::vector<report::Kernel> find_kernels(const GuestFiles& files);

/// "initramfs-tools", "dracut", "mkinitcpio", "mkinitfs", "mkinitrd", or "".
[[nodiscard]] std::string detect_initramfs_generator(const GuestFiles& files);

} // namespace slipway::guest
