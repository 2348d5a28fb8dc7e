// SPDX-License-Identifier: Apache-2.0
// A kernel that somebody wants to test: where its parts are, and what it has.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "appliance/kernel_file.hpp"
#include "sys/host.hpp"

namespace slipway::appliance {

struct TestedKernel {
    KernelKind kind = KernelKind::BzImage;
    std::string file;
    std::string release; ///< of uname(2); "" if it could not be found out
    std::string modules; ///< a directory with modules.dep, or ""
    std::string config;  ///< the text of its configuration, or ""
    std::string builtin; ///< the text of its modules.builtin, or ""
};

/// "host" (the running one), a file, a build tree or a DEB package, which is unpacked into the
/// cache. Errors are those of kernel_kind and sys::make_cached, NotFound, Permission, ToolFailed.
[[nodiscard]] Result<TestedKernel> find_tested_kernel(const sys::Host& host,
                                                      const std::string& named);

enum class Driver { Absent, Module, BuiltIn, Unknown };
/// Of a module by name, such as "9pnet_virtio", and its option, such as "NET_9P_VIRTIO".
[[nodiscard]] Driver driver_of(const TestedKernel& kernel, std::string_view module,
                               std::string_view option);

/// One that a machine for tests needs.
struct WantedDriver {
    std::string_view module;
    std::string_view option;
};
/// The options ("CONFIG_…") of those that are certainly absent.
[[nodiscard]] std::vector<std::string> absent_drivers(const TestedKernel& kernel,
                                                      std::span<const WantedDriver> wanted);

} // namespace slipway::appliance
