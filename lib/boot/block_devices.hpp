// SPDX-License-Identifier: Apache-2.0
// Block devices that the kernel makes when it is asked, by their names: "loop0", "dm-0".
#pragma once

#include <set>
#include <string>
#include <string_view>

#include "base/error.hpp"

namespace slipway::boot {

/// Those whose name begins so, and that have a file of this name in sysfs ("loop/backing_file").
[[nodiscard]] std::set<std::string> block_devices(std::string_view prefix, const std::string& sign);
[[nodiscard]] std::set<std::string> device_mappings();

/// An ioctl on a device below /dev that is opened for it. Root.
[[nodiscard]] Status control_device(const std::string& device, unsigned long request,
                                    const void* argument);
/// `request`: DM_DEV_REMOVE; or DM_DEV_SUSPEND, which resumes one here. Root.
[[nodiscard]] Status control_mapping(const std::string& name, unsigned long request);

} // namespace slipway::boot
