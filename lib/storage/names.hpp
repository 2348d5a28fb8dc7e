// SPDX-License-Identifier: Apache-2.0
// Names of what is found inside containers: the same in every engine. Pure.
#pragma once

#include <string>
#include <string_view>

namespace slipway::storage {

/// What the number of a partition is appended to: "md:data" for md:data1, "md:0p" for md:0p1.
[[nodiscard]] std::string partition_base(const std::string& container);
/// "vg/lv"; with `twin`, where the image has another VG of this name, "vg@AbCdEf/lv".
struct GroupName {
    std::string name;
    std::string uuid;
    bool twin = false;
};
[[nodiscard]] std::string group_label(const GroupName& group);
/// The name in the kernel, in which a hyphen of LVM's is doubled: "a--b-c--d" for a-b/c-d.
[[nodiscard]] std::string mapper_name(std::string_view group, std::string_view volume);
/// UUID of a logical volume in the kernel; of a whole group with `volume_uuid` "".
[[nodiscard]] std::string mapper_uuid(std::string_view group_uuid, std::string_view volume_uuid);
/// "data" of "guest:data", other characters than those of LVM's names replaced by '_'; "" where the
/// array has no name.
[[nodiscard]] std::string array_name(std::string_view stored);
/// mdadm's 8781c3c5:864c055f:… as libblkid writes it: 8781c3c5-864c-055f-….
[[nodiscard]] std::string array_uuid(std::string_view mdadm_form);

/// Whether the selector of a key (`KeyOption`) means this volume.
[[nodiscard]] bool selects(std::string_view selector, std::string_view volume,
                           std::string_view uuid);

} // namespace slipway::storage
