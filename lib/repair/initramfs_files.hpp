// SPDX-License-Identifier: Apache-2.0
// Files that an initramfs holds copies of, and that name devices.
#pragma once

#include <string>
#include <string_view>

#include "repair/kernel_arguments.hpp"

namespace slipway::repair {

/// A crypttab with LUKS headers by UUID; `name` stands for the file in findings. Pure.
[[nodiscard]] EditedText stabilize_crypttab(const report::Inventory& inventory,
                                            const std::string& name, const std::string& text);
[[nodiscard]] report::Findings check_crypttab(std::string_view name, std::string_view text);

/// An mdadm.conf that lets arrays be assembled from any partition. Pure.
[[nodiscard]] EditedText stabilize_mdadm_config(const std::string& name, const std::string& text);
[[nodiscard]] report::Findings check_mdadm_config(std::string_view name, std::string_view text);

/// Any text of Kernel::initramfs_files, by its path in the initramfs.
[[nodiscard]] EditedText stabilize_initramfs_file(const report::Inventory& inventory,
                                                  std::string_view path, const std::string& name,
                                                  const std::string& text);
/// What in it may not exist after the move.
[[nodiscard]] report::Findings check_initramfs_file(const report::Inventory& inventory,
                                                    std::string_view path, std::string_view name,
                                                    std::string_view text);

} // namespace slipway::repair
