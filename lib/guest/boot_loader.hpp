// SPDX-License-Identifier: Apache-2.0
// How a guest boots: its firmware and its boot loader.
#pragma once

#include <string>
#include <vector>

#include "guest/files.hpp"
#include "mount/volumes.hpp"
#include "report/inventory.hpp"

namespace slipway::guest {

/// Kind, configuration files and the tool that writes them. The grub.cfg that mkconfig shall write
/// is named even where it is missing. Findings: boot-loader-missing, grub-config-missing.
[[nodiscard]] report::BootLoader detect_boot_loader(const GuestFiles& files);

/// "bios", "uefi", "bios+uefi", or "". UEFI: an EFI system partition (type GUID C12A7328-… of the
/// UEFI specification, or 0xef), unless it is mounted and holds no program. BIOS: GRUB in a boot
/// sector, a BIOS boot partition (21686148-…), or boot code beside an active partition; failing all
/// that, GRUB's i386-pc modules. Reads the first sector of each disk that has a node. Findings:
/// esp-unreadable, esp-without-fallback, boot-sector-empty.
[[nodiscard]] std::string detect_firmware(const GuestFiles& files,
                                          const std::vector<mount::MountableDisk>& disks,
                                          const report::Inventory& inventory);

[[nodiscard]] bool is_efi_system_partition(const report::Volume& volume);

} // namespace slipway::guest
