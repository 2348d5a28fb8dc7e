// SPDX-License-Identifier: Apache-2.0
// Which files of a kernel's modules a machine needs, by its modules.dep (modules.dep(5)).
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace slipway::appliance {

/// "kernel/fs/nls/nls_cp437.ko.xz" is nls_cp437; "dm-mod" and "dm_mod" are the same.
[[nodiscard]] std::string module_name(std::string_view path);

/// Paths below the modules' directory of the named ones and all that they depend on, in order. What
/// modules.dep does not have is built in, or missing, and left out. Pure.
[[nodiscard]] std::vector<std::string> module_closure(std::string_view modules_dep,
                                                      std::span<const std::string_view> names);

/// What an image may need: disks, filesystems, volume managers, ciphers.
[[nodiscard]] std::span<const std::string_view> modules_for_images();
/// What a machine for tests needs before it has its root: the machine's devices, and how a root is
/// shown.
[[nodiscard]] std::span<const std::string_view> modules_for_tests();

} // namespace slipway::appliance
