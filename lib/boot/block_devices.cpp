// SPDX-License-Identifier: Apache-2.0
#include "boot/block_devices.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/dm-ioctl.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/strings.hpp"
#include "sys/fd.hpp"
#include "sys/tree_walk.hpp"

namespace slipway::boot {

std::set<std::string> block_devices(std::string_view prefix, const std::string& sign) {
    std::set<std::string> found;
    for (const auto& name : sys::names_in("/sys/block"))
        if (name.starts_with(prefix) &&
            ::access(fmt::format("/sys/block/{}/{}", name, sign).c_str(), F_OK) == 0)
            found.insert(name);
    return found;
}

std::set<std::string> device_mappings() {
    return block_devices("dm-", "dm");
}

Status control_device(const std::string& device, unsigned long request, const void* argument) {
    auto path = "/dev/" + device;
    SLIPWAY_TRY(auto opened, sys::open_file(path, O_RDWR | O_NONBLOCK));
    if (::ioctl(opened.raw(), request, argument) != 0)
        return fail_errno(path);
    return {};
}

Status control_mapping(const std::string& name, unsigned long request) {
    dm_ioctl call{};
    call.version[0] = DM_VERSION_MAJOR;
    call.data_size = sizeof call;
    auto mapped = sys::read_file(fmt::format("/sys/block/{}/dm/name", name)).value_or("");
    std::string(trim(mapped)).copy(call.name, sizeof call.name - 1);
    return control_device("mapper/control", request, &call);
}

} // namespace slipway::boot
