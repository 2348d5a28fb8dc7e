// SPDX-License-Identifier: Apache-2.0
// lvm's configuration, command lines and JSON reports. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"
#include "sys/process.hpp"

namespace slipway::storage {

/// What one command of lvm may see and do.
struct LvmScope {
    std::vector<std::string> nodes{};      ///< the only devices that it opens
    std::string lock_dir{};                ///< a directory of our own
    std::vector<std::string> read_only{};  ///< groups that are activated read-only
    std::vector<std::string> system_ids{}; ///< of other machines, whose groups are ours to open
};
/// Text for --config. No file of the host's decides anything: no devices file, udev, daemon,
/// backup, or scan for multipath and MD.
[[nodiscard]] std::string lvm_config(const LvmScope& scope);

/// A command of lvm on what is in scope.
[[nodiscard]] sys::ProcessSpec lvm_spec(const LvmScope& scope, const std::string& command,
                                        std::vector<std::string> arguments);

struct PhysicalVolume {
    std::string node; ///< "" if it is missing
    std::string uuid{};
    std::string group{}; ///< "" if it belongs to none
    std::string group_uuid{};
    std::string system_id{};
};
struct LogicalVolume {
    std::string name;
    std::string uuid;
    std::string layout{}; ///< "linear", "thin,sparse", "thin,pool", "raid,raid1", …
    std::string role{};   ///< "public", "private", "public,snapshot,thicksnapshot", …
    std::string health{}; ///< "", "partial", …
};

[[nodiscard]] sys::ProcessSpec list_pvs_spec(const LvmScope& scope);
[[nodiscard]] Result<std::vector<PhysicalVolume>> parse_pvs(std::string_view json);
[[nodiscard]] sys::ProcessSpec list_lvs_spec(const LvmScope& scope);
[[nodiscard]] Result<std::vector<LogicalVolume>> parse_lvs(std::string_view json);
/// A part of a volume that lies in one piece on one PV, in bytes.
struct VolumeSegment {
    std::string volume_uuid;
    std::string node;
    std::uint64_t start_in_volume = 0;
    std::uint64_t start_on_node = 0;
    std::uint64_t size = 0;
};
[[nodiscard]] sys::ProcessSpec list_segments_spec(const LvmScope& scope);
[[nodiscard]] Result<std::vector<VolumeSegment>> parse_segments(std::string_view json);
/// Its parts one behind the other are its content, so that it needs no lvm to be read.
[[nodiscard]] bool is_plain(const LogicalVolume& volume);
/// Of another volume of the group, thick or thin.
[[nodiscard]] bool is_snapshot(const LogicalVolume& volume);
/// `names` are "vg/lv".
[[nodiscard]] sys::ProcessSpec activate_spec(const LvmScope& scope,
                                             const std::vector<std::string>& names);
[[nodiscard]] sys::ProcessSpec deactivate_spec(const LvmScope& scope, const std::string& group);

/// Pools and other volumes that hold no data of a guest.
[[nodiscard]] bool is_internal(const LogicalVolume& volume);
/// Its kind where activating it writes metadata, so that it wants a writable disk; else "".
[[nodiscard]] std::string_view kind_that_writes(const LogicalVolume& volume);
/// Targets of device-mapper that it wants, beside the linear and striped ones.
[[nodiscard]] std::vector<std::string_view> targets_of(const LogicalVolume& volume);

} // namespace slipway::storage
