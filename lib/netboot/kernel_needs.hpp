// SPDX-License-Identifier: Apache-2.0
// Whether a kernel has what the bootstrap needs.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "appliance/tested_kernel.hpp"

namespace slipway::netboot {

struct KernelLacks {
    std::vector<std::string> needed{}; ///< "CONFIG_…": it would not work
    std::vector<std::string> wished{}; ///< "CONFIG_XFS_FS: images with xfs": less would work
};
/// What is a module counts when it is packed. What cannot be found out is not told: a kernel whose
/// configuration is not there.
[[nodiscard]] KernelLacks find_lacks(const appliance::TestedKernel& kernel,
                                     const std::set<std::string>& packed);

/// "zstd" or "gzip": what the kernel can unpack its initramfs with.
[[nodiscard]] std::string initramfs_compression(const appliance::TestedKernel& kernel);

} // namespace slipway::netboot
