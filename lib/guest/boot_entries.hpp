// SPDX-License-Identifier: Apache-2.0
// Boot Loader Specification entries
// (https://uapi-group.org/specifications/specs/boot_loader_specification/), type 1:
// /boot/loader/entries/*.conf, used by systemd-boot and by Fedora's GRUB.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "guest/files.hpp"

namespace slipway::guest {

struct BootEntry {
    std::string path{}; ///< of the entry's file; "" from parse_boot_entry
    std::string title{};
    std::string version{};
    std::string kernel{}; ///< "linux": from the root of the boot partition
    std::vector<std::string> initramfs{};
    std::string options{}; ///< all "options" lines, joined by blanks
};
/// Never fails; unknown keys are passed over.
[[nodiscard]] BootEntry parse_boot_entry(std::string_view text);
/// Entries below /boot, /boot/efi and /efi; at most 256.
[[nodiscard]] std::vector<BootEntry> read_boot_entries(const GuestFiles& files);
/// Guest path of a file that an entry names from the root of its boot partition: the first of
/// /boot, /boot/efi, /efi and / below which it exists, or "".
[[nodiscard]] std::string boot_path_of(const GuestFiles& files, const std::string& path);

} // namespace slipway::guest
