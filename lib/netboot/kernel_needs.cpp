// SPDX-License-Identifier: Apache-2.0
#include "netboot/kernel_needs.hpp"

#include <fmt/format.h>

#include "appliance/kernel_modules.hpp"

namespace slipway::netboot {
namespace {

using appliance::Driver;

struct Need {
    std::string_view option;
    std::string_view module{};  ///< "": it is none
    std::string_view without{}; ///< what would not work; "": nothing would
};
constexpr Need needs[]{
    {"BLK_DEV_INITRD"},
    {"NET"},
    {"INET"},
    {"UNIX", "unix"},
    {"PACKET", "af_packet"},
    {"DEVTMPFS"},
    {"TMPFS"},
    {"PROC_FS"},
    {"SYSFS"},
    {"UNIX98_PTYS"},
    {"CGROUPS"},
    {"UTS_NS"},
    {"IPC_NS"},
    {"PID_NS"},
    {"BLK_DEV_LOOP", "loop"},
    {"OVERLAY_FS", "overlay"},
    {"SQUASHFS", "squashfs", "images of squashfs"},
    {"EROFS_FS", "erofs", "images of erofs"},
    {"EXT4_FS", "ext4", "images of ext4"},
    {"XFS_FS", "xfs", "images of xfs"},
    {"BTRFS_FS", "btrfs", "images of btrfs"},
    {"FUSE_FS", "fuse", "load --lazy"},
    {"INPUT_EVDEV", "evdev", "the return by Ctrl+Alt+F12"},
    {"IPV6", "ipv6", "IPv6"},
    {"VLAN_8021Q", "8021q", "VLANs"},
    {"MAGIC_SYSRQ", "", "emergency keys"},
    {"KEXEC_FILE", "", "slipway.entry=kexec"},
};

// Options that are no modules can be known from the configuration only.
Driver state_of(const appliance::TestedKernel& kernel, const Need& need) {
    if (need.module.empty() && kernel.config.empty())
        return Driver::Unknown;
    return appliance::driver_of(kernel, need.module, need.option);
}

} // namespace

KernelLacks find_lacks(const appliance::TestedKernel& kernel, const std::set<std::string>& packed) {
    KernelLacks lacks;
    for (const auto& need : needs) {
        auto state = state_of(kernel, need);
        bool is_packed = packed.contains(appliance::module_name(need.module));
        if (state == Driver::BuiltIn || state == Driver::Unknown || is_packed)
            continue;
        auto option = fmt::format("CONFIG_{}", need.option);
        if (need.without.empty())
            lacks.needed.push_back(std::move(option));
        else
            lacks.wished.push_back(fmt::format("{}: {}", option, need.without));
    }
    return lacks;
}

std::string initramfs_compression(const appliance::TestedKernel& kernel) {
    return state_of(kernel, {"RD_ZSTD"}) == Driver::Absent ? "gzip" : "zstd";
}

} // namespace slipway::netboot
