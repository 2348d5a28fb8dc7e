// SPDX-License-Identifier: Apache-2.0
// Reads every boot file back after the repairs and the guest's own tools have run.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "guest/boot_files.hpp"
#include "report/inventory.hpp"
#include "sys/root_dir.hpp"

namespace slipway::repair {

/// Boot files as they are now, by guest path: those known before, and new boot entries.
using BootFiles = std::map<std::string, std::string>;
[[nodiscard]] BootFiles read_boot_files(const sys::RootDir& root, const report::Inventory& before);

/// All checks below. A leftover device of a host is a blocker "host-device-in-boot-file".
[[nodiscard]] report::Findings verify_boot_files(const sys::RootDir& root,
                                                 const report::Inventory& before);

/// Names of devices that only a host has, and entries that os-prober made. Pure.
[[nodiscard]] report::Findings check_host_names(std::string_view path, std::string_view text,
                                                const report::Inventory& before);
/// root= and resume= that depend on the bus or lead nowhere; `name` is what findings call the file.
/// Pure.
[[nodiscard]] report::Findings check_arguments(guest::BootFileKind kind, std::string_view name,
                                               std::string_view text,
                                               const report::Inventory& before);
/// Whether GRUB can read its configuration, and whether each entry's kernel and initramfs exist.
[[nodiscard]] report::Findings check_menu(const sys::RootDir& root, const BootFiles& files,
                                          const report::Inventory& before);

} // namespace slipway::repair
